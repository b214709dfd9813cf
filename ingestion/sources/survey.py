"""One look over the names of a source's files: what its layout is recognised by."""

from __future__ import annotations

import csv
import io
import pickle
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from foundation.errors import DatasetError
from ingestion.sources.stores import Entry, Span, Store


class Listing:
    """Every entry of a store, walked once and read back as often as needed.

    Walking a compressed archive means decompressing it, and reading tar headers costs more than
    the pictures of a small set: the first walk writes what it sees to a file.

    Args:
        store: Where the entries come from.
        file: A file of ours to write the list to; `spool` does it.
    """

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._file = file
        self._all_on_disk = True

    def spool(self, on_entry: Callable[[Entry], None] | None = None) -> Iterator[Entry]:
        """Walks the store and writes the list. The caller sees each entry while it is readable.

        Args:
            on_entry: Called with each entry too.
        """
        with self._file.open("wb") as file:
            for entry in self._store.walk():
                span = entry.content if isinstance(entry.content, Span) else None
                self._all_on_disk &= span is not None
                if on_entry is not None:
                    on_entry(entry)
                pickle.dump((entry.path, entry.num_bytes, span), file)
                yield entry

    def paths(self) -> Iterator[str]:
        """Yields the path of every entry, in the order of the store."""
        for path, _, _ in self._read_back():
            yield path

    def entries(self) -> Iterator[Entry]:
        """Yields every entry, readable; the store is walked again only where it must be."""
        if not self._all_on_disk:
            yield from self._store.walk()
            return
        for path, num_bytes, span in self._read_back():
            yield Entry(path, num_bytes, span or _unreachable)

    def _read_back(self) -> Iterator[tuple[str, int, Span | None]]:
        with self._file.open("rb") as file:
            while True:
                try:
                    yield pickle.load(file)
                except EOFError:
                    return


def _unreachable() -> bytes:
    raise AssertionError("only entries on disk are read back")


_ID_COLUMNS = ("id", "image_id", "image", "filename", "file_name", "file", "path")
_LABEL_COLUMNS = ("label", "breed", "class", "class_name")


@dataclass(frozen=True)
class LabelTable:
    """The rows of one table."""

    path: str
    """Where it was found in the source."""
    labels: dict[str, str]
    """Class by id. An id is a file name with or without its ending, or a path in the source."""

    def find(self, path: str) -> tuple[str, str] | None:
        """Looks a picture up.

        Args:
            path: The picture's path in the source.

        Returns:
            The id under which it is listed and its class, or None for a picture that is not.
        """
        name = posixpath.basename(path)
        for key in (posixpath.splitext(name)[0], name, path):
            if (label := self.labels.get(key)) is not None:
                return key, label
        return None


def read_label_table(path: str, data: bytes) -> LabelTable | None:
    """Reads a table if it is one of labels.

    Args:
        path: Where it was found, for messages.
        data: The file's content, UTF-8.

    Returns:
        The table, or None for a CSV file about something else: one without a column for the id
        and one for the label.

    Raises:
        DatasetError: If a row lacks a value, or if one id has two different labels.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = [column.strip().lower() for column in next(rows, [])]
        id_column = next((header.index(name) for name in _ID_COLUMNS if name in header), None)
        label_column = next((header.index(name) for name in _LABEL_COLUMNS if name in header), None)
        if id_column is None or label_column is None:
            return None
        labels: dict[str, str] = {}
        for row in rows:
            if not row:
                continue
            if len(row) <= max(id_column, label_column) or not row[label_column].strip():
                raise DatasetError(f"{path}, line {rows.line_num}: a row without id or label.")
            key, label = row[id_column].strip(), row[label_column].strip()
            if labels.setdefault(key, label) != label:
                raise DatasetError(
                    f"{path}, line {rows.line_num}: {key!r} is listed as {labels[key]!r} and as "
                    f"{label!r}; keep one of the two."
                )
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: not a CSV table ({error}).") from error
    return LabelTable(path, labels)


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
