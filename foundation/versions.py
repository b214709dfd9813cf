"""Versions of the served model: one numbered folder each, below the model server's base path.

TensorFlow Serving loads the highest number as soon as that folder appears.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROLLBACK_FILE = Path("assets.extra") / "rollback.json"
"""Path of the note on a rollback, below the version's folder."""


@dataclass(frozen=True)
class Rollback:
    """The note that a rollback writes into the version that it creates."""

    copy_of: int
    """Version that was copied."""
    replaced: int
    """Version that was served before."""
    replaced_recipe: str | None
    """Recipe of the replaced version; None if unknown."""
    bounds: Mapping[str, Any] | None
    """Bounds that the replaced version had passed, named as in `Config`; None if unknown."""
    rolled_back_at: str
    """UTC, ISO 8601, seconds."""
    reason: str | None
    """The user's reason."""


def write_rollback(version_path: Path, rollback: Rollback) -> None:
    """Writes the note into a version's folder."""
    path = version_path / ROLLBACK_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(rollback), indent=2), encoding="utf-8")


def read_rollback(version_path: Path) -> Rollback | None:
    """Reads the note; None where the version is no copy, or the note is malformed."""
    try:
        return Rollback(**json.loads((version_path / ROLLBACK_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


_SAVED_MODEL = "saved_model.pb"

EXTRA_DIR = Path("assets.extra")
"""Folder of a version that model servers ignore, except for the warm-up requests."""
ABOUT_FILE = EXTRA_DIR / "dogbreed.json"
"""The description of the model as JSON."""
MODEL_CARD_FILE = EXTRA_DIR / "model_card.md"
"""The same as a model card."""
BREEDS_FILE = EXTRA_DIR / "breeds.txt"
"""Breeds in label order, one a line."""
STATISTICS_DIR = EXTRA_DIR / "statistics"
"""TensorFlow Data Validation's statistics of the train and eval splits, laid out as by
StatisticsGen; added by the Pusher."""
SAMPLES_DIR = EXTRA_DIR / "samples"
"""One train image per class, `LABEL.jpg`; classes without train images have none."""
WARMUP_FILE = EXTRA_DIR / "tf_serving_warmup_requests"
"""Requests that a model server runs before it serves the version."""


def list_versions(base_path: Path) -> list[int]:
    """Returns the versions below `base_path` that hold a model, oldest first."""
    if not base_path.is_dir():
        return []
    return sorted(
        int(entry.name)
        for entry in os.scandir(base_path)
        if entry.name.isdecimal() and Path(entry.path, _SAVED_MODEL).is_file()
    )


def newest_version(base_path: Path, *, not_from_recipe: str | None = None) -> int | None:
    """Returns the newest version that is not of the recipe `not_from_recipe`, or None.

    Thus a repeated run is compared with the same baseline as before and not with itself. The copy
    made by a rollback counts as its original, and the versions pushed in between are skipped too.
    """
    versions = list_versions(base_path)
    while versions:
        version = versions.pop()
        path = base_path / str(version)
        if not_from_recipe is None or read_about(path).get("recipe") != not_from_recipe:
            return version
        if (rollback := read_rollback(path)) is not None:
            versions = [each for each in versions if each < rollback.copy_of]
    return None


def next_version(base_path: Path) -> int:
    """Returns the number for a new version: seconds since 1970, or more if that is taken."""
    return max([int(time.time()), *(version + 1 for version in list_versions(base_path)[-1:])])


def read_about(version_path: Path) -> dict[str, Any]:
    """Reads a version's description: `recipe`, `breeds` and more; empty for a foreign model."""
    try:
        about = json.loads((version_path / ABOUT_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return about if isinstance(about, dict) else {}
