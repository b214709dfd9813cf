#!/usr/bin/env bash
# Runs the tests inside the image, on the newest stack, as the steps' user and with a read-only root.
#
#   kubernetes/test-in-image.sh [ARGUMENTS OF pytest]
#
# Needs podman, the image that 'dogbreed image build' made, and a package mirror in reach.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
image=${IMAGE:-localhost/dogbreed:latest}
podman image exists "$image" || { echo "There is no image $image: 'dogbreed image build' makes it."; exit 1; }
podman build --quiet --isolation chroot --network host --build-arg "IMAGE=$image" \
    --file "$project/kubernetes/image/test.Dockerfile" --tag localhost/dogbreed-tests "$project" >/dev/null
# The checkout takes the place of the image's copy, which has no tests.
podman run --rm --network none --read-only --tmpfs /tmp --cap-drop all \
    --security-opt no-new-privileges --volume "$project:/opt/dogbreed:ro" --workdir /opt/dogbreed \
    localhost/dogbreed-tests python -m pytest -p no:cacheprovider "$@"
