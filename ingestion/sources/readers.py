"""Opens a source: recognises its layout and returns a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ingestion.options import ConvertOptions
from ingestion.sources.idx_reader import IdxReader
from ingestion.sources.layouts import Layout, recognise
from ingestion.sources.reader import Picture, Reader, Unusable
from ingestion.sources.stores import Entry, Span, open_store
from ingestion.sources.survey import Listing, survey
from ingestion.sources.tfds_reader import TfdsReader

MAX_FILE_BYTES = 256 << 20
"""Larger files are no photographs, and might not fit into a worker's memory."""


class PathReader:
    """Reader of the layouts in which each image is a file and its path gives the class."""

    def __init__(self, listing: Listing, layout: Layout) -> None:
        self._listing = listing
        self._layout = layout

    @property
    def layout(self) -> str:
        """See `reader.Reader`."""
        return self._layout.name

    def names(self) -> Iterator[tuple[str, str]]:
        """See `reader.Reader`."""
        for path in self._listing.paths():
            place = self._layout.place(path)
            if place and not place.problem:
                yield place.class_name, place.file_name

    def pictures(self) -> Iterator[Picture | Unusable]:
        """See `reader.Reader`. Table rows without an image come last."""
        table = self._layout.table
        rows_left = set(table.labels) if table else set()
        for entry in self._listing.entries():
            place = self._layout.place(entry.path)
            if table and (row := table.find(entry.path)):
                rows_left.discard(row[0])
            if entry.problem:  # whatever its name: it may be a link to a folder of pictures
                yield Unusable(place.file_name if place else entry.path, entry.problem)
                continue
            if place is None:
                continue
            if place.problem:
                yield Unusable(place.file_name, place.problem)
                continue
            if entry.num_bytes > MAX_FILE_BYTES:
                megabytes = f"{entry.num_bytes / 1e6:,.0f} MB"
                yield Unusable(place.file_name, f"the file is too large for a picture: {megabytes}")
                continue
            content = entry.content if isinstance(entry.content, Span) else entry.read()
            yield Picture(place.class_name, place.file_name, content)
        if table:
            for row_id in sorted(rows_left):
                yield Unusable(row_id, f"{table.path} lists it, but there is no such picture")


TFDS_PREFIX = "tfds:"


def open_reader(
    source: str,
    options: ConvertOptions,
    listing_file: Path,
    on_entry: Callable[[Entry], None] | None = None,
) -> Reader:
    """Opens a source and recognises its layout.

    Args:
        source: path of a folder or archive, or "tfds:" and a name.
        options: uses `layout` and `pictures_per_class`.
        listing_file: temporary file for the listing of the source.
        on_entry: called with every file of the source.

    Raises:
        DatasetError: the source is missing, damaged, empty, or of no known layout.
    """
    if source.startswith(TFDS_PREFIX):
        return TfdsReader(source.removeprefix(TFDS_PREFIX))
    listing = Listing(open_store(Path(source)), listing_file)
    seen = survey(listing.spool(on_entry))
    layout = recognise(seen, options, source)
    if layout is None:
        return IdxReader(seen.idx_files, source)
    return PathReader(listing, layout)
