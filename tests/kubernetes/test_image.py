"""`dogbreed image build`, with engines that are there, broken, or missing."""

from __future__ import annotations

import fnmatch
import os
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
        echo "STEP 2/2: RUN true"
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


def test_locked_cuda_libraries_all_have_hashes() -> None:
    lines = (ROOT / "kubernetes/image/cuda.lock").read_text().splitlines()
    pins = [line for line in lines if "==" in line and not line.startswith("#")]
    assert len(pins) >= 10
    for line in pins:
        assert lines[lines.index(line) + 1].startswith("    --hash=sha256:")
