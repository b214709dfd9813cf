"""One look over the names of a source's files: what its layout is recognised by."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from foundation.errors_part import DatasetError
from ingestion.sources.label_table import LabelTable, read_label_table
from ingestion.sources.stores import Entry

PICTURE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".pbm"),
    )
)
IDX_NAME = re.compile(r"^(?P<stem>.*?)[-_.]?(?P<kind>images|labels)[-.]idx[13]-ubyte(\.gz)?$", re.I)
PREFIXED_NAME = re.compile(r"^(?P<breed>.+)_\d+$")
NUMBERED_NAME = re.compile(r"^\D*(?P<number>\d+)$")
_MAX_SIDECAR_BYTES = 1 << 30


@dataclass
class FolderFacts:
    """What the names in one folder look like."""

    num_files: int = 0
    num_pictures: int = 0
    num_prefixed: int = 0
    num_numbered: int = 0
    highest_number: int = 0
    prefixes: set[str] = field(default_factory=set)


@dataclass
class Survey:
    """What a source holds, per folder. Grows with the folders and classes, not the pictures."""

    folders: dict[str, FolderFacts] = field(default_factory=dict)
    """By path; "" is the source itself."""
    tables: dict[str, LabelTable] = field(default_factory=dict)
    """Tables of id and label, by path."""
    idx_files: dict[str, bytes] = field(default_factory=dict)
    """Contents of MNIST-like files, by path."""

    @property
    def num_files(self) -> int:
        """Number of files that are not hidden."""
        return sum(facts.num_files for facts in self.folders.values())

    def picture_folders(self, below: str = "") -> list[str]:
        """Returns the folders that hold pictures, going by file names.

        Args:
            below: Only folders at or below this path.

        Returns:
            Paths, sorted. Where no file at all is named like a picture, every folder with files.
        """
        inside = {
            path: facts
            for path, facts in self.folders.items()
            if not below or path == below or path.startswith(below + "/")
        }
        named = sorted(path for path, facts in inside.items() if facts.num_pictures)
        return named or sorted(inside)


def survey(entries: Iterable[Entry]) -> Survey:
    """Looks at every name once, and into the few files that say what the others are.

    Args:
        entries: The files of the source.

    Returns:
        What was seen.

    Raises:
        DatasetError: If a table of labels is broken.
    """
    seen = Survey()
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        facts = seen.folders.setdefault(folder, FolderFacts())
        facts.num_files += 1
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() in PICTURE_SUFFIXES:
            _note_picture(facts, stem)
        elif suffix.lower() == ".csv" and entry.num_bytes <= _MAX_SIDECAR_BYTES:
            if table := read_label_table(entry.path, entry.read()):
                seen.tables[entry.path] = table
        elif IDX_NAME.match(name) and entry.num_bytes <= _MAX_SIDECAR_BYTES:
            try:
                seen.idx_files[entry.path] = entry.read()
            except (OSError, ValueError) as error:
                raise DatasetError(f"{entry.path} cannot be read: {error}.") from error
    return seen


def _note_picture(facts: FolderFacts, stem: str) -> None:
    facts.num_pictures += 1
    if match := PREFIXED_NAME.match(stem):
        facts.num_prefixed += 1
        facts.prefixes.add(match["breed"])
    if match := NUMBERED_NAME.match(stem):
        facts.num_numbered += 1
        facts.highest_number = max(facts.highest_number, int(match["number"]))
