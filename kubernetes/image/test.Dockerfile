# The image with what tests need besides; kubernetes/test-in-image.sh builds and runs it.
ARG IMAGE=localhost/dogbreed:latest
FROM ${IMAGE}
USER 0:0
COPY pyproject.toml requirements.lock /tmp/locks/
RUN set -eu; \
    awk '/^uv==/, !/\\$/' /tmp/locks/requirements.lock > /tmp/locks/uv.lock; \
    python3 -m venv /tmp/uv; \
    /tmp/uv/bin/pip install --quiet --no-cache-dir --require-hashes --requirement /tmp/locks/uv.lock; \
    /tmp/uv/bin/uv pip install --quiet --python /opt/venv/bin/python --no-cache --compile-bytecode \
        --constraint /tmp/locks/requirements.lock --group /tmp/locks/pyproject.toml:dev; \
    rm -rf /tmp/*
USER 10001:10001
