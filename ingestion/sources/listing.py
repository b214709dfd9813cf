"""The list of a source's files, kept on disk so that memory stays flat however many there are."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

from ingestion.sources.span import Span
from ingestion.sources.stores import Entry, Store


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
