"""Compares two runs' configurations and per-class recalls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.names import FACTS_FILE
from pipeline.history.past_run import PastRun


@dataclass(frozen=True)
class BreedChange:
    """Recall of one class in two runs."""

    breed: str
    before: float
    """Recall in the earlier run."""
    after: float
    """Recall in the later run."""

    @property
    def change(self) -> float:
        """Increase of the recall."""
        return self.after - self.before


def breed_changes(before: PastRun, after: PastRun) -> tuple[BreedChange, ...] | None:
    """Compares two runs class by class.

    Returns:
        The classes in both, the greatest change first, of equal ones the worse first; None where a
        run has no readable report.
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


_OF_ITS_OWN = ("root", "data.source")  # shown beside the settings


@dataclass(frozen=True)
class Change:
    """A setting that differs."""

    name: str
    """Dotted."""
    before: Any
    """None also where the setting did not exist."""
    after: Any

    def __str__(self) -> str:
        return f"{self.name} {value_in_words(self.before)} → {value_in_words(self.after)}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Returns the settings that differ, in the order of `after`; groups one lacks are left out."""
    known = [group for group in after if group in before]
    flat_before = dict(_flat({group: before[group] for group in known}))
    flat_after = dict(_flat({group: after[group] for group in known}))
    return tuple(
        Change(name, flat_before.get(name), flat_after.get(name))
        for name in {**flat_after, **flat_before}
        if name not in _OF_ITS_OWN and flat_before.get(name) != flat_after.get(name)
    )


def value_in_words(value: Any) -> str:
    """Writes a value as `--set` takes it; None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
