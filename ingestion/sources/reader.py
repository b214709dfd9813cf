"""What every reader of a source gives: pictures, each with its class and its file name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from ingestion.sources.stores import Span


class Picture(NamedTuple):
    """One picture of a source, not yet decoded."""

    class_name: str
    """Its class, as the source writes it."""
    file_name: str
    """Its name in records and reports."""
    content: bytes | Span
    """The file, or where a worker finds it."""


class Unusable(NamedTuple):
    """A file of a source that belongs to no class, or that could not be fetched."""

    file_name: str
    """Its name in reports."""
    reason: str
    """Why, in plain words."""


class Reader(Protocol):
    """One source, read twice: first the names, then the pictures, in the same order."""

    @property
    def layout(self) -> str:
        """Name of the layout, for dataset.json."""
        ...

    def names(self) -> Iterator[tuple[str, str]]:
        """Yields class and file name of every picture, without reading it."""
        ...

    def pictures(self) -> Iterator[Picture | Unusable]:
        """Yields every picture with its content, and the files that are left out."""
        ...
