"""Surveys the file names of a source, to recognise its layout."""

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
    """The entries of a store, walked once and read back from a temporary file.

    Walking a store again is expensive: it decompresses archives and reads tar headers.
    """

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._file = file
        self._all_on_disk = True

    def spool(self, on_entry: Callable[[Entry], None] | None = None) -> Iterator[Entry]:
        """Walks the store, writes the list and yields each entry while it is readable."""
        with self._file.open("wb") as file:
            for entry in self._store.walk():
                span = entry.content if isinstance(entry.content, Span) else None
                self._all_on_disk &= span is not None or bool(entry.problem)
                if on_entry is not None:
                    on_entry(entry)
                pickle.dump((entry.path, entry.num_bytes, span, entry.problem), file)
                yield entry

    def paths(self) -> Iterator[str]:
        """Yields the path of every entry whose content can be had, in the order of the store."""
        for path, _, _, problem in self._read_back():
            if not problem:
                yield path

    def entries(self) -> Iterator[Entry]:
        """Yields every entry, readable; walks the store again only if it must."""
        if not self._all_on_disk:
            yield from self._store.walk()
            return
        for path, num_bytes, span, problem in self._read_back():
            yield Entry(path, num_bytes, span or _unreachable, problem=problem)

    def _read_back(self) -> Iterator[tuple[str, int, Span | None, str]]:
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
    """A table of labels."""

    path: str
    """Path in the source."""
    labels: dict[str, str]
    """Class by ID: a file name with or without suffix, or a path in the source."""

    def find(self, path: str) -> tuple[str, str] | None:
        """Returns the ID and class of an image by its path, or None if it is not listed."""
        name = posixpath.basename(path)
        for key in (posixpath.splitext(name)[0], name, path):
            if (label := self.labels.get(key)) is not None:
                return key, label
        return None


def read_label_table(path: str, data: bytes) -> LabelTable | None:
    """Reads a CSV file in UTF-8; None if it lacks a column for the ID or the label.

    A table of decisions that someone saved beside the images is none either.

    Raises:
        DatasetError: a row lacks a value, or an ID has two different labels.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = [column.strip().lower() for column in next(rows, [])]
        id_column = next((header.index(name) for name in _ID_COLUMNS if name in header), None)
        label_column = next((header.index(name) for name in _LABEL_COLUMNS if name in header), None)
        if id_column is None or label_column is None or "decision" in header:
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
    """Counts of file names of one folder."""

    num_files: int = 0
    num_pictures: int = 0
    num_prefixed: int = 0
    num_numbered: int = 0
    highest_number: int = 0
    prefixes: set[str] = field(default_factory=set)


@dataclass
class Survey:
    """Content of a source per folder. Grows with folders and classes, not with images."""

    folders: dict[str, FolderFacts] = field(default_factory=dict)
    """By path; "" is the source itself."""
    tables: dict[str, LabelTable] = field(default_factory=dict)
    """Label tables by path."""
    idx_files: dict[str, bytes] = field(default_factory=dict)
    """Contents of MNIST-like files, by path."""
    num_links: int = 0
    """Number of links in an archive, whose content cannot be had."""

    @property
    def num_files(self) -> int:
        """Number of files that are not hidden."""
        return sum(facts.num_files for facts in self.folders.values())

    def picture_folders(self, below: str = "") -> list[str]:
        """Returns the folders at or below a path that hold images by suffix, sorted.

        Returns every folder with files if no file has the suffix of an image.
        """
        inside = {
            path: facts
            for path, facts in self.folders.items()
            if not below or path == below or path.startswith(below + "/")
        }
        named = sorted(path for path, facts in inside.items() if facts.num_pictures)
        return named or sorted(inside)


def survey(entries: Iterable[Entry]) -> Survey:
    """Surveys all file names, and reads label tables and idx files.

    Raises:
        DatasetError: a label table is malformed, or a file cannot be read.
    """
    seen = Survey()
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        if entry.problem:
            seen.num_links += 1
            continue
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
