from __future__ import annotations

import json
from pathlib import Path

import pytest

from foundation.versions import list_versions, newest_version


def _push(base_path: Path, name: str, recipe: str | None = None, *, whole: bool = True) -> None:
    extra = base_path / name / "assets.extra"
    extra.mkdir(parents=True)
    if whole:
        (base_path / name / "saved_model.pb").touch()
    if recipe is not None:
        (extra / "dogbreed.json").write_text(json.dumps({"recipe": recipe}))


def test_versions_are_numbers_in_order_and_hold_a_model(tmp_path: Path) -> None:
    for name in ("10", "9", ".incoming", "notes"):
        _push(tmp_path, name)
    _push(tmp_path, "11", whole=False)

    assert list_versions(tmp_path) == [9, 10]


def test_versions_of_a_folder_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert newest_version(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("recipes", "expected"),
    [
        (["a"], None),
        (["a", "b"], 1),
        (["b", "a"], 0),
        (["a", "b", "a"], 1),
        ([None, "a"], 0),
    ],
)
def test_newest_version_passes_over_the_same_recipe(
    tmp_path: Path, recipes: list[str | None], expected: int | None
) -> None:
    for version, recipe in enumerate(recipes):
        _push(tmp_path, str(version), recipe)

    assert newest_version(tmp_path, not_from_recipe="a") == expected
    assert newest_version(tmp_path) == len(recipes) - 1
