"""The file in a version that is a copy of an earlier one: of which, instead of which, and why."""

from __future__ import annotations

import json
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
