"""docs/architecture.md speaks of the tree as it is."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.project.conftest import PACKAGES, ROOT, tracked_files

_TEXT = (ROOT / "docs" / "architecture.md").read_text()
_PATHS = sorted(
    path
    for path in set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|md))`", _TEXT))
    if "NAME" not in path
)


@pytest.mark.parametrize("path", _PATHS)
def test_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()


def test_every_folder_of_a_package_has_its_line() -> None:
    described = set(re.findall(r"^\| `([^`]+)/` \|", _TEXT, re.MULTILINE))
    packages = {
        str(PurePosixPath(name).parent) for name in tracked_files(*PACKAGES) if name.endswith(".py")
    }

    assert packages <= described


def test_every_folder_at_the_top_has_its_line() -> None:
    described = set(re.findall(r"^\| `([^`/]+)/` \|", _TEXT, re.MULTILINE))
    top = {name.split("/")[0] for name in tracked_files() if "/" in name}

    assert top - {".devcontainer"} == described
