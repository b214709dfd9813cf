"""Finds the pictures of some files of a converted set."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from foundation.errors import DatasetError
from ingestion.dataset import Dataset
from ingestion.options import ConvertOptions
from ingestion.picture import UnusablePictureError, normalise
from ingestion.records import FILENAME_KEY, IMAGE_KEY, decode_example, read_records
from ingestion.sources.reader import Picture
from ingestion.sources.readers import open_reader


def read_pictures(dataset: Dataset, file_names: Collection[str]) -> dict[str, bytes]:
    """Reads pictures as JPEG by file name; some may be missing.

    Those that the records lack, because they contradict one another, are read from the source, if
    it still lies where it lay.

    Raises:
        DatasetError: the records are damaged.
    """
    missing = set(file_names)
    pictures: dict[str, bytes] = {}
    for reading in (_in_records, _in_source):
        if missing:
            for name, jpeg in reading(dataset, missing):
                pictures[name] = jpeg
                missing.discard(name)
    return pictures


def _in_records(dataset: Dataset, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    for split in dataset.splits:
        for shard in dataset.shards(split):
            for record in read_records(shard):
                example = decode_example(record)
                name, jpeg = example[FILENAME_KEY], example[IMAGE_KEY]
                if isinstance(name, bytes) and isinstance(jpeg, bytes):
                    text = name.decode("utf-8", "replace")
                    if text in wanted:
                        yield text, jpeg


def _in_source(dataset: Dataset, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with TemporaryDirectory(prefix="dogbreed-") as scratch:
        try:
            options = ConvertOptions(**dataset.options)
            reader = open_reader(dataset.source, options, Path(scratch, "listing"))
            for picture in reader.pictures():
                if not isinstance(picture, Picture) or picture.file_name not in wanted:
                    continue
                content = picture.content
                data = content if isinstance(content, bytes) else content.read()
                yield picture.file_name, normalise(data, dataset.shorter_side_px, False).data
        except (DatasetError, UnusablePictureError, OSError, ValueError):
            return  # it was moved or changed: the page says that there is no picture
