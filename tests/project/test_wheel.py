"""What `pip install` gets: every file that is read at run time, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.project.conftest import PACKAGES, tracked_files

_NOT_READ_AT_RUN_TIME = ("kustomization.yaml", ".proto")


def test_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    tracked = tracked_files(*PACKAGES)
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == {name for name in tracked if not name.endswith(_NOT_READ_AT_RUN_TIME)}
    for package in PACKAGES:
        assert package == "configs" or f"{package}/py.typed" in held


def test_wheel_carries_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        described = archive.read(metadata).decode()
        licence = archive.read(metadata.replace("METADATA", "licenses/LICENSE")).decode()

    assert "License-Expression: Apache-2.0" in described
    assert "Apache License" in licence


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `dogbreed` of an environment that has the wheel, and borrows all it depends on."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        pytest.skip("there is no uv to install with")
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel],
        check=True,
    )
    # Paths that a .pth names are searched last, and .pth files there are not read: a checkout that
    # is installed editably in this environment stays out of sight.
    [site_packages] = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    (site_packages / "borrowed.pth").write_text("\n".join(borrowed))
    return folder / "bin" / "dogbreed"


def _run(dogbreed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [dogbreed, *arguments], cwd=cwd, env=environment | {"COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
def test_installed_command_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    settings = _run(installed, tmp_path, "settings", "--config", "stanford-dogs-quick")
    models = _run(installed, tmp_path, "models")
    compiled = _run(installed, tmp_path, "compile", "--out", "pipeline.yaml")

    assert "trainer.network.input_px" in settings.stdout, settings.stderr
    assert "residual" in models.stdout, models.stderr
    assert compiled.returncode == 0, compiled.stderr
    assert "ImportExampleGen" in (tmp_path / "pipeline.yaml").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_image_build_without_a_checkout_says_what_is_missing(
    installed: Path, tmp_path: Path
) -> None:
    built = _run(installed, tmp_path, "image", "build")

    assert built.returncode == 1
    assert "An image is built from a checkout of the project" in built.stderr
    assert len(built.stderr.splitlines()) == 1
