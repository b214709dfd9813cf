"""The first half of an external sort: records spread over files by the range of their key.

Pictures arrive in the order of the source and leave in a shuffled one. Each goes to one of a few
dozen files; later each file is sorted on its own. Memory holds one file's keys at a time, so it
stays flat as the number of pictures grows; the price is that every record is written twice. Every
worker has files of its own, so that records need not pass through the parent on their way.
"""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import NamedTuple

_BUCKET_SHIFT = 3  # from the 8 bits of a key's first byte to the 5 of a bucket's number: 32 files
_HEAD = struct.Struct("<16sBIHI")  # key, split, label, bytes of the name, bytes of the record


class SpillRecord(NamedTuple):
    """A framed record and what decides where it ends up."""

    key: bytes
    """16 bytes to sort by; equal for pictures that are equal byte for byte."""
    split: int
    label: int
    file_name: bytes
    framed: bytes
    """The record as it stands in a TFRecord file."""


class SpilledRecord(NamedTuple):
    """A record in a spill file. Sorts by key, then label, then file name."""

    key: bytes
    label: int
    file_name: bytes
    split: int
    file: FileIO
    """The file to read it from."""
    offset: int
    """Of the framed record in its file."""
    num_bytes: int

    def read_framed(self) -> bytes:
        """Reads the record as it stands in a TFRecord file."""
        return os.pread(self.file.fileno(), self.num_bytes, self.offset)

    @property
    def sort_key(self) -> tuple[bytes, int, bytes, int]:
        """What decides the order; it says nothing about which worker wrote the record."""
        return self[:4]


class SpillWriter:
    """The spill files of one process, made when needed.

    Args:
        folder: A folder of ours, which all processes share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, FileIO] = {}

    def add(self, record: SpillRecord) -> None:
        """Writes a record to the file of its key. Nothing is buffered: no end has to be told.

        Args:
            record: The record.

        Raises:
            OSError: If the disk is full.
        """
        bucket = record.key[0] >> _BUCKET_SHIFT
        if (file := self._files.get(bucket)) is None:
            path = self._folder / f"{bucket:02}-{os.getpid()}.spill"
            file = self._files[bucket] = FileIO(path, "a")
        head = _HEAD.pack(
            record.key, record.split, record.label, len(record.file_name), len(record.framed)
        )
        rest = memoryview(b"".join((head, record.file_name, record.framed)))
        while rest:  # a disk that is almost full takes a part, and then none
            rest = rest[file.write(rest) or 0 :]

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()


def sorted_buckets(folder: Path) -> Iterator[list[SpilledRecord]]:
    """Yields the records of each bucket, sorted; together they are in the order of all keys.

    A bucket's files are deleted when the next is asked for, so that the disk never holds much more
    than one copy.

    Args:
        folder: Where the writers of all processes wrote.
    """
    buckets: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir():
        buckets[path.name.partition("-")[0]].append(path)
    for bucket in sorted(buckets):
        with ExitStack() as stack:
            files = [stack.enter_context(FileIO(path)) for path in buckets[bucket]]
            records = [record for file in files for record in _index(file)]
            yield sorted(records, key=lambda record: record.sort_key)
        for path in buckets[bucket]:
            path.unlink()


def _index(file: FileIO) -> Iterator[SpilledRecord]:
    # Positioned reads: a buffered file would fetch the pictures in between as well.
    descriptor, offset = file.fileno(), 0
    while head := os.pread(descriptor, _HEAD.size, offset):
        key, split, label, name_bytes, num_bytes = _HEAD.unpack(head)
        offset += _HEAD.size
        file_name = os.pread(descriptor, name_bytes, offset)
        offset += name_bytes
        yield SpilledRecord(key, label, file_name, split, file, offset, num_bytes)
        offset += num_bytes
