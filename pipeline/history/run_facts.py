"""Reads what a run's report says of single breeds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from foundation.names import FACTS_FILE
from pipeline.history.past_run import PastRun


@dataclass(frozen=True)
class BreedChange:
    """How well one breed is known in two runs."""

    breed: str
    """Its name."""
    before: float
    """Share of its eval pictures that were named rightly."""
    after: float
    """The same in the later run."""

    @property
    def change(self) -> float:
        """By how much the later run is better."""
        return self.after - self.before


def breed_changes(before: PastRun, after: PastRun) -> tuple[BreedChange, ...] | None:
    """Compares two runs breed by breed.

    Returns:
        The breeds that both know, the greatest change first, and of equal ones the worse first;
        None where a run left no report, or one that cannot be read.
    """
    recalls = [_recalls(run.report) for run in (before, after)]
    if recalls[0] is None or recalls[1] is None:
        return None
    both = [
        BreedChange(breed, recalls[0][breed], recall)
        for breed, recall in recalls[1].items()
        if breed in recalls[0]
    ]
    return tuple(sorted(both, key=lambda each: (-abs(each.change), each.change, each.breed)))


def _recalls(report: Path | None) -> dict[str, float] | None:
    if report is None:
        return None
    try:
        facts = json.loads((report / FACTS_FILE).read_text(encoding="utf-8"))
        return {row["breed"]: row["recall"] for row in facts["breeds"] if row["recall"] is not None}
    except (OSError, ValueError, KeyError, TypeError):
        return None
