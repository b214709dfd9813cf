"""Applies decisions about single images while a source is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from foundation.errors import DatasetError
from ingestion.catalogue import find_class, printable, readable_names, shown
from ingestion.dataset import AppliedDecisions
from ingestion.decisions import Action, Decision
from ingestion.sources.reader import Picture, Reader, Unusable


class DecidedReader:
    """A source after decisions: without what was dropped, and with the breeds that were decided.

    Args:
        reader: the source as it is.
        decisions: by file name, as `rejected.csv`, `audit.csv` and the records have it.
        path: their file, for messages.

    Raises:
        DatasetError: an image is to be moved to a breed that the source lacks.
    """

    def __init__(self, reader: Reader, decisions: Mapping[str, Decision], path: Path) -> None:
        self._reader = reader
        self._decisions = decisions
        counts: Counter[str] = Counter()
        matched: set[str] = set()
        actions: Counter[Action] = Counter()
        for class_name, file_name in reader.names():
            counts[class_name] += 1
            if (key := self._key(file_name)) is not None:
                matched.add(key)
                actions[decisions[key].action] += 1
        self._classes = _classes_of(decisions, list(counts), path)
        self.applied = AppliedDecisions(
            relabelled=actions["relabel"] + actions["new"],
            dropped=actions["drop"],
            kept=actions["keep"],
            unmatched=tuple(sorted(decisions.keys() - matched)),
        )
        """What the decisions come to."""

    @property
    def layout(self) -> str:
        """See `reader.Reader`."""
        return self._reader.layout

    def names(self) -> Iterator[tuple[str, str]]:
        """See `reader.Reader`."""
        for class_name, file_name in self._reader.names():
            key = self._key(file_name)
            if not self._is_dropped(key):
                yield self._classes.get(key or "", class_name), file_name

    def pictures(self) -> Iterator[Picture | Unusable]:
        """See `reader.Reader`."""
        for picture in self._reader.pictures():
            key = self._key(picture.file_name)
            if self._is_dropped(key):
                continue
            if isinstance(picture, Picture) and key in self._classes:
                yield picture._replace(class_name=self._classes[key])
            else:
                yield picture

    def _key(self, file_name: str) -> str | None:
        """Finds an image among the decisions, also by what tables make of undecodable names."""
        for key in (file_name, shown(file_name), printable(file_name)):
            if key in self._decisions:
                return key
        return None

    def _is_dropped(self, key: str | None) -> bool:
        return key is not None and self._decisions[key].action == "drop"


def _classes_of(
    decisions: Mapping[str, Decision], class_names: list[str], path: Path
) -> dict[str, str]:
    """Finds the class of each image that is moved, by file name."""
    text = readable_names(class_names)
    # New breeds first, so that other images can be moved to them as well.
    for decision in decisions.values():
        if decision.action == "new" and find_class(decision.breed, text)[0] is None:
            text[decision.breed] = decision.breed
    classes = {}
    for file_name, decision in decisions.items():
        if not decision.breed:
            continue
        class_name, hint = find_class(decision.breed, text)
        if class_name is None:
            raise DatasetError(
                f"{path}, line {decision.line}: there is no breed {decision.breed!r} ({hint}); "
                f"write new:{decision.breed} if it is meant to be new."
            )
        classes[file_name] = class_name
    return classes
