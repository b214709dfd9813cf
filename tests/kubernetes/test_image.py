"""`dogbreed image build`, with engines that are there, broken, or missing."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubernetes.manifests import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_WORKS = """
case "$1" in
    build) shift
        printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
        echo "STEP 1/2: FROM somewhere"
        echo "Trying to pull somewhere..."
        echo "[2/2] STEP 2/2: RUN true"
        exit BUILD_ENDS ;;
    image) echo 3610000000 ;;
esac
"""


def _install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)


def _build(engines: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    for name in ("sh", "dirname", "git"):
        if not (engines / name).exists():
            (engines / name).symlink_to(f"/usr/bin/{name}")
    return subprocess.run(
        [Path(sys.executable).with_name("dogbreed"), "image", "build", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": str(engines)},
    )


@pytest.mark.slow
def test_the_first_engine_that_works_is_used(tmp_path: Path) -> None:
    _install(tmp_path, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    _install(tmp_path, "podman", _WORKS.replace("BUILD_ENDS", "0"))
    built = _build(
        tmp_path, "--variant", "gpu", "--tag", "here/dogs:2", "--base", "mine:3", "--", "--no-cache"
    )
    assert built.returncode == 0, built.stderr
    assert "1/2 FROM somewhere" in built.stdout
    assert "2/2 RUN true" in built.stdout
    assert "pull" not in built.stdout
    assert "Built here/dogs:2, 3.6 GB." in built.stdout
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert {"--tag=here/dogs:2", "--build-arg=VARIANT=gpu", "--build-arg=BASE=mine:3"} <= set(
        arguments
    )
    assert arguments[-2:] == ["--no-cache", "."]
    labels = dict(
        line.removeprefix("--label=").split("=", 1) for line in arguments if "--label=" in line
    )
    assert labels["dogbreed.variant"] == "gpu"
    assert re.fullmatch(r"[0-9.]+", labels["org.opencontainers.image.version"])
    assert re.fullmatch(r"[0-9a-f]{7,}.*", labels["org.opencontainers.image.revision"])
    assert "--file=kubernetes/image/Dockerfile" in arguments


@pytest.mark.slow
def test_a_build_that_fails_shows_the_end_of_its_output(tmp_path: Path) -> None:
    _install(tmp_path, "podman", _WORKS.replace("BUILD_ENDS", "125"))
    built = _build(tmp_path)
    assert built.returncode == 1
    assert "Trying to pull somewhere..." in built.stdout
    assert "podman could not build dogbreed:latest (exit code 125)" in built.stderr
    assert "Traceback" not in built.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--engine", "docker")])
def test_an_engine_that_does_not_work_is_named_with_its_reason(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    _install(tmp_path, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    built = _build(tmp_path, *arguments)
    assert built.returncode == 1
    assert "docker is installed but does not work: Cannot connect" in built.stderr


@pytest.mark.slow
def test_without_any_engine_one_line_says_what_to_install(tmp_path: Path) -> None:
    built = _build(tmp_path)
    assert built.returncode == 1
    assert "none of docker, podman and buildah is installed" in built.stderr
    assert len(built.stderr.splitlines()) == 1


def test_every_package_of_the_project_is_in_the_images_context() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {
        each.rstrip("*") for each in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert {"pipeline", "configs"} <= packages
    assert packages | set(project["project"]["license-files"]) <= set(let_in)
    assert not any(fnmatch.fnmatch(name, rule) for rule in let_in for name in ("runs", ".git"))


@pytest.mark.parametrize(("lock", "fewest"), [("cuda.lock", 10), ("cpu.lock", 1)])
def test_locks_of_variants_have_hashes_and_the_projects_tensorflow(lock: str, fewest: int) -> None:
    lines = (ROOT / "kubernetes/image" / lock).read_text().splitlines()
    pins = [line for line in lines if "==" in line and not line.startswith("#")]
    assert len(pins) >= fewest
    for line in pins:
        assert lines[lines.index(line) + 1].startswith("    --hash=sha256:")
    versions = re.findall(
        r"^tensorflow==(\S+) ; python_full_version >= '3.11'",
        (ROOT / "requirements.lock").read_text(),
        re.MULTILINE,
    )
    named = re.findall(r"\btensorflow(?:-cpu|\[and-cuda\])==([\d.]+)", "\n".join(lines))
    assert {*named} == {*versions}


def test_cudnn_still_serves_compute_capability_6_and_7() -> None:
    [version] = re.findall(
        r"^nvidia-cudnn-cu12==(\S+)",
        (ROOT / "kubernetes/image/cuda.lock").read_text(),
        re.MULTILINE,
    )
    assert tuple(map(int, version.split(".")[:2])) < (9, 11)


def test_only_the_gpu_variant_asks_for_every_gpu_of_a_node() -> None:
    stages = re.split(r"^FROM ", (ROOT / "kubernetes/image/Dockerfile").read_text(), flags=re.M)
    asks = [stage.splitlines()[0] for stage in stages if "NVIDIA_VIS" in stage]
    assert asks == ["${BASE} AS variant-gpu"]


@pytest.mark.slow
def test_the_image_for_processors_is_small_and_has_no_libraries_for_gpus() -> None:
    image = os.environ.get("DOGBREED_IMAGE", "")
    if not image or shutil.which("podman") is None:
        pytest.skip("DOGBREED_IMAGE names no image, or there is no podman")
    script = "import tensorflow as tf; print(tf.test.is_built_with_cuda())"

    def podman(*arguments: str) -> str:
        return subprocess.run(
            ["podman", *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert int(podman("image", "inspect", "--format", "{{.Size}}", image)) <= 2.5e9
    in_image = ["run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", image]
    assert podman(*in_image, "python", "-c", script) == "False"
    assert "NVIDIA_VISIBLE_DEVICES" not in podman(*in_image, "env")


@pytest.mark.slow
def test_library_that_tensorflow_cannot_open_is_named() -> None:
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        pytest.skip("this TensorFlow asks for none of NVIDIA's libraries")
    checked = subprocess.run(
        [sys.executable, ROOT / "kubernetes/image/check_gpu_libraries.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode == 0:
        pytest.skip("NVIDIA's libraries are all here")
    assert "Could not load dynamic library 'lib" in checked.stderr
    assert checked.stderr.splitlines()[-1] == (
        "TensorFlow would use no GPU: a library above could not be loaded."
    )
