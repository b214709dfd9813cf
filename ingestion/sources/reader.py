"""Interface of the readers: images with class and file name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from ingestion.sources.stores import Span


class Picture(NamedTuple):
    """An undecoded image of a source."""

    class_name: str
    """As the source writes it."""
    file_name: str
    """Name in records and reports."""
    content: bytes | Span
    """The file, or where a worker finds it."""


class Unusable(NamedTuple):
    """A file that has no class or could not be fetched."""

    file_name: str
    """Name in reports."""
    reason: str


class Reader(Protocol):
    """A source, read twice in the same order: first the names, then the images."""

    @property
    def layout(self) -> str:
        """Name of the layout, for dataset.json."""
        ...

    def names(self) -> Iterator[tuple[str, str]]:
        """Yields class and file name of every image, without reading it."""
        ...

    def pictures(self) -> Iterator[Picture | Unusable]:
        """Yields every image with its content, and the files that are left out."""
        ...
