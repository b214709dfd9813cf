"""Tiny labelled pictures in the shapes that real sets come in."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ingestion.dataset import Dataset
from ingestion.records import decode_example, read_records

Record = dict[str, Any]
MakePicture = Callable[..., bytes]
MakeFolders = Callable[..., Path]
ReadSplit = Callable[[Dataset, str], list[Record]]


def _picture(seed: int, size: tuple[int, int] = (20, 12), file_format: str = "JPEG") -> bytes:
    """A picture of its own for every seed; width and height differ."""
    picture = Image.frombytes("RGB", (7, 5), random.Random(seed).randbytes(105)).resize(size)
    encoded = io.BytesIO()
    picture.save(encoded, file_format)
    return encoded.getvalue()


@pytest.fixture
def make_picture() -> MakePicture:
    """Returns a function that encodes a small picture: (seed, size, file_format) -> bytes."""
    return _picture


@pytest.fixture
def make_folders(tmp_path: Path) -> MakeFolders:
    """Returns a function that writes a folder of pictures per class: (pictures=..., name=...)."""

    def make(name: str = "dogs", size: tuple[int, int] = (20, 12), **classes: int) -> Path:
        source = tmp_path / name
        seed = 0
        for class_name, num_pictures in classes.items():
            (source / class_name).mkdir(parents=True, exist_ok=True)
            for index in range(num_pictures):
                seed += 1
                (source / class_name / f"{index:03}.jpg").write_bytes(_picture(seed, size))
        return source

    return make


@pytest.fixture
def read_split() -> ReadSplit:
    """Returns a function that reads all records of a split in order, with our own reader."""

    def read(dataset: Dataset, split: str) -> list[Record]:
        return [
            decode_example(record)
            for shard in dataset.shards(split)
            for record in read_records(shard)
        ]

    return read
