"""The folder that a model server watches: one numbered folder per version.

TensorFlow Serving takes the highest number below its base path, as soon as that folder appears.
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
"""Where it is, below the version's folder."""


@dataclass(frozen=True)
class Rollback:
    """What a rollback notes in the version that it makes."""

    copy_of: int
    """The version that was copied."""
    replaced: int
    """The version that was served before."""
    replaced_recipe: str | None
    """That one's recipe; None where it is not known."""
    bounds: Mapping[str, Any] | None
    """The bounds that the replaced version had kept, as `Config` names them; None where they are
    not known."""
    rolled_back_at: str
    """UTC, ISO 8601, seconds."""
    reason: str | None
    """Why, as the user put it."""


def write_rollback(version_path: Path, rollback: Rollback) -> None:
    """Leaves the note in a version's folder."""
    path = version_path / ROLLBACK_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(rollback), indent=2), encoding="utf-8")


def read_rollback(version_path: Path) -> Rollback | None:
    """Reads the note; None where the version is no copy, or its note cannot be understood."""
    try:
        return Rollback(**json.loads((version_path / ROLLBACK_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


_SAVED_MODEL = "saved_model.pb"

EXTRA_DIR = Path("assets.extra")
"""Folder of a version whose files no model server minds, but for the warm-up requests."""
ABOUT_FILE = EXTRA_DIR / "dogbreed.json"
"""What a model says of itself."""
MODEL_CARD_FILE = EXTRA_DIR / "model_card.md"
"""The same in words, for people."""
BREEDS_FILE = EXTRA_DIR / "breeds.txt"
"""Breeds in label order, one a line."""
STATISTICS_DIR = EXTRA_DIR / "statistics"
"""What TensorFlow Data Validation counted in the splits that the model was trained on and measured
on, as StatisticsGen lays it out; the Pusher adds it."""
SAMPLES_DIR = EXTRA_DIR / "samples"
"""A picture of each breed, `LABEL.jpg`; none of a breed that has no picture to train on."""
WARMUP_FILE = EXTRA_DIR / "tf_serving_warmup_requests"
"""Requests that a model server runs before it serves the version."""


def list_versions(base_path: Path) -> list[int]:
    """Lists the versions below `base_path` that hold a model, oldest first."""
    if not base_path.is_dir():
        return []
    return sorted(
        int(entry.name)
        for entry in os.scandir(base_path)
        if entry.name.isdecimal() and Path(entry.path, _SAVED_MODEL).is_file()
    )


def newest_version(base_path: Path, *, not_from_recipe: str | None = None) -> int | None:
    """Finds the newest version.

    Args:
        base_path: the folder that the model server watches.
        not_from_recipe: passes over versions that were trained from this recipe. A run that is
            repeated is thereby compared with what it was compared with before, not with itself. A
            copy that a rollback made counts as its original: what was pushed in between was given
            up, and is passed over too.

    Returns:
        Its number, or None where there is none.
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
    """Chooses a number for a new version.

    Returns:
        Seconds since 1970, or more where a version of this second is there already.
    """
    return max([int(time.time()), *(version + 1 for version in list_versions(base_path)[-1:])])


def read_about(version_path: Path) -> dict[str, Any]:
    """Reads what a version says of itself: `recipe`, `breeds` and more; empty for a foreign one."""
    try:
        about = json.loads((version_path / ABOUT_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return about if isinstance(about, dict) else {}
