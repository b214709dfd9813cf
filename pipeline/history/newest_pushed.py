"""Finds what was pushed last."""

from __future__ import annotations

from pathlib import Path

from foundation.versions import newest_version
from trainer.training.logs import RUNS


def newest_pushed() -> Path | None:
    """Finds the newest version of any run below the current folder; its number is its time."""
    bases = RUNS.glob("*/served")
    pushed = [(version, base) for base in bases if (version := newest_version(base)) is not None]
    if not pushed:
        return None
    version, base = max(pushed)
    return base / str(version)
