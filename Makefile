# Picks a Python, makes .venv from requirements.lock, and hands over to `dogbreed`.
# Everything here also works without make, once `. .venv/bin/activate` is done.

# TFX 1.21 has wheels for glibc 2.39 and Python 3.11 to 3.13; elsewhere TFX 1.16 needs Python 3.10.
GLIBC := $(lastword $(shell getconf GNU_LIBC_VERSION))
OLDER := $(firstword $(shell printf '%s\n' 2.39 '$(GLIBC)' | sort -V))
VERSIONS := $(if $(filter 2.39,$(OLDER)),3.13 3.12 3.11 3.10,3.10)
# A pyenv shim answers only when it is told which of its versions to be.
PYTHON ?= $(shell for v in $(VERSIONS); do \
	PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | grep "^$$v" | tail -n 1) \
	python$$v -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)
BIN := .venv/bin
ARGS ?=

.PHONY: run check test test-long lint protos setup lock clean
run: setup ## run the pipeline on the built-in sample; ARGS="--data PATH" for other pictures
	$(BIN)/dogbreed run $(ARGS)

check: lint ## style, imports, types and the quick tests: a minute on two cores
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" -q $(ARGS)

# Which lines are run costs nothing to know from Python 3.12 on (sys.monitoring); before, it costs
# tests of networks a third of their time, so there it is asked for: make test ARGS=--cov
COVERAGE = $(shell $(BIN)/python -c 'import sys; print("--cov" if sys.version_info >= (3, 12) else "")')
RUN_TESTS = $(if $(COVERAGE),COVERAGE_CORE=sysmon) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)
test: setup ## run all tests but the long ones; from Python 3.12 on, print how much of each file they run
	$(RUN_TESTS) -m "not long" $(ARGS)

test-long: setup ## run what takes minutes: rehearsals, searches, folds, servers under load
	$(RUN_TESTS) -m long $(ARGS)

lint: setup ## check style, types, and which package imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy

# By protoc 21 of Python 3.10, whose modules Protocol Buffers 3.20 to 6 load.
protos: setup ## write *_pb2.py after a change to a .proto
	$(BIN)/uv tool run --python 3.10 --with 'setuptools<81' --from grpcio-tools==1.51.3 \
		python -m grpc_tools.protoc --proto_path=. --python_out=. $$(git ls-files '*.proto')

setup: .venv/ready ## make .venv

.venv/ready: requirements.lock pyproject.toml Makefile
	@test -n "$(PYTHON)" || { echo "No Python of $(VERSIONS) is on the PATH (glibc here is $(GLIBC)). Install one (uv python install $(lastword $(VERSIONS)) does), or name it: make PYTHON=/path/to/python"; exit 1; }
	@command -v g++ >/dev/null || { echo "A C++ compiler is needed to build pyfarmhash: on Debian or Ubuntu, apt-get install g++"; exit 1; }
	@"$(PYTHON)" -c 'import sys, sysconfig, pathlib; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || { echo "$(PYTHON) has no headers: on Debian or Ubuntu, apt-get install python3-dev"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' || { echo "$(PYTHON) cannot make environments: on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }
	"$(PYTHON)" -m venv .venv
	@# Compiled once here: TFX's eight thousand modules import in half the time from then on.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
	@touch $@

lock: ## write requirements.lock anew for pyproject.toml; ARGS="--upgrade NAME" takes a newer NAME
	$(BIN)/python .ci/update_lock.py $(ARGS)

clean: ## remove .venv and caches, never runs/
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .coverage build dist *.egg-info
