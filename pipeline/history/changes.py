"""What differs between two configurations, by dotted names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_OF_ITS_OWN = ("root", "data.source")  # where a run is and which data it has stand beside it


@dataclass(frozen=True)
class Change:
    """A setting that differs."""

    name: str
    """Dotted."""
    before: Any
    """None also where there was no such setting."""
    after: Any
    """None also where there is no such setting."""

    def __str__(self) -> str:
        """Writes it as people read it."""
        return f"{self.name} {in_words(self.before)} → {in_words(self.after)}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Compares two configurations, as far as both are known.

    Args:
        before: settings by group; may lack groups that were not recorded.
        after: the same of the later run.

    Returns:
        The settings that differ, in the order of `after`.
    """
    known = [group for group in after if group in before]
    flat_before = dict(_flat({group: before[group] for group in known}))
    flat_after = dict(_flat({group: after[group] for group in known}))
    return tuple(
        Change(name, flat_before.get(name), flat_after.get(name))
        for name in {**flat_after, **flat_before}
        if name not in _OF_ITS_OWN and flat_before.get(name) != flat_after.get(name)
    )


def in_words(value: Any) -> str:
    """Writes a value as `--set` takes it; `none` for nothing."""
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
