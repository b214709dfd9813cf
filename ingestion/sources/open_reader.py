"""Opens a source by the name the user gave, whatever kind of source it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingestion.options import ConvertOptions
from ingestion.sources.idx_reader import IdxReader
from ingestion.sources.layouts import recognise
from ingestion.sources.listing import Listing
from ingestion.sources.reader import Reader
from ingestion.sources.readers import PathReader
from ingestion.sources.stores import Entry, open_store
from ingestion.sources.survey import survey
from ingestion.sources.tfds_reader import TfdsReader

TFDS_PREFIX = "tfds:"


def open_reader(
    source: str,
    options: ConvertOptions,
    listing_file: Path,
    on_entry: Callable[[Entry], None] | None = None,
) -> Reader:
    """Opens a source and recognises its layout.

    Args:
        source: Path of a folder or archive, or "tfds:" and a name.
        options: `layout` and `pictures_per_class` matter here.
        listing_file: A file of ours in which the names of the source's files are kept.
        on_entry: Called with every file of the source.

    Returns:
        The reader.

    Raises:
        DatasetError: If the source is missing, damaged, empty, or of no known layout.
    """
    if source.startswith(TFDS_PREFIX):
        return TfdsReader(source.removeprefix(TFDS_PREFIX))
    listing = Listing(open_store(Path(source)), listing_file)
    seen = survey(listing.spool(on_entry))
    layout = recognise(seen, options, source)
    if layout is None:
        return IdxReader(seen.idx_files, source)
    return PathReader(listing, layout)
