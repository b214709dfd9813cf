from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("components", "configs", "foundation", "ingestion", "pipeline", "serving", "trainer")
"""Folders that an installed copy consists of."""


def tracked_files(*folders: str) -> set[str]:
    """Paths below the project's root of the files that git has in these folders."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no checkout that git could list")
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend itself from a copy: it leaves files beside its sources."""
    scratch = tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        (scratch / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, scratch / "tree" / name)
    code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, str(scratch)],
        cwd=scratch / "tree", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [path] = scratch.glob("*.whl")
    return path
