"""An external sort: workers spill records into buckets by key, later sorted into shards."""

from __future__ import annotations

import math
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ingestion.audit import HASH_BYTES, Audit, Look, Seen, SplitTotals

_BUCKET_SHIFT = 3  # from the 8 bits of a key's first byte to the 5 of a bucket's number: 32 files
# Key, split, label, difference hash, flaws, bytes of the name, bytes of the record.
_HEAD = struct.Struct(f"<16sBI{HASH_BYTES}sBHI")


class SpillRecord(NamedTuple):
    """A framed record and the values that decide its place."""

    key: bytes
    """16-byte sort key; equal for images that are equal byte for byte."""
    split: int
    label: int
    look: Look
    file_name: bytes
    framed: bytes
    """The record as in a TFRecord file."""


class SpilledRecord(NamedTuple):
    """The location of a record in a spill file."""

    key: bytes
    label: int
    file_name: bytes
    split: int
    file: FileIO
    offset: int
    """Of the framed record in `file`."""
    num_bytes: int
    look: Look

    def read_framed(self) -> bytes:
        """Reads the record as it stands in a TFRecord file."""
        return os.pread(self.file.fileno(), self.num_bytes, self.offset)

    @property
    def sort_key(self) -> tuple[bytes, int, bytes, int]:
        """Key, label, file name and split; independent of the worker that wrote the record."""
        return self[:4]


class SpillWriter:
    """The spill files of one process, created on demand in a `folder` that all processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, FileIO] = {}

    def add(self, record: SpillRecord) -> None:
        """Appends a record to the file of its bucket, unbuffered.

        Raises:
            OSError: the disk is full.
        """
        bucket = record.key[0] >> _BUCKET_SHIFT
        if (file := self._files.get(bucket)) is None:
            path = self._folder / f"{bucket:02}-{os.getpid()}.spill"
            file = self._files[bucket] = FileIO(path, "a")
        head = _HEAD.pack(
            record.key,
            record.split,
            record.label,
            *record.look,
            len(record.file_name),
            len(record.framed),
        )
        rest = memoryview(b"".join((head, record.file_name, record.framed)))
        while rest:  # an almost full disk takes a part first
            rest = rest[file.write(rest) or 0 :]

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()


def spilled_images(folder: Path) -> Iterator[Seen]:
    """Yields what the audit needs of every record, in key order."""
    for records in _sorted_buckets(folder):
        for record in records:
            yield Seen(record.key, record.label, record.split, record.num_bytes, record.look)


def _sorted_buckets(folder: Path, *, consume: bool = False) -> Iterator[list[SpilledRecord]]:
    """Yields the sorted records of each bucket; together they are in key order.

    `consume` deletes a bucket's files once the next is requested, so that the disk never holds much
    more than one copy.
    """
    buckets: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir():
        buckets[path.name.partition("-")[0]].append(path)
    for bucket in sorted(buckets):
        with ExitStack() as stack:
            files = [stack.enter_context(FileIO(path)) for path in buckets[bucket]]
            records = [record for file in files for record in _index(file)]
            yield sorted(records, key=lambda record: record.sort_key)
        if consume:
            for path in buckets[bucket]:
                path.unlink()


def _index(file: FileIO) -> Iterator[SpilledRecord]:
    # Positioned reads: a buffered file would also read the images in between.
    descriptor, offset = file.fileno(), 0
    while head := os.pread(descriptor, _HEAD.size, offset):
        key, split, label, difference_hash, flaws, name_bytes, num_bytes = _HEAD.unpack(head)
        offset += _HEAD.size
        file_name = os.pread(descriptor, name_bytes, offset)
        offset += name_bytes
        look = Look(difference_hash, flaws)
        yield SpilledRecord(key, label, file_name, split, file, offset, num_bytes, look)
        offset += num_bytes


_SHARD_BYTES = 100_000_000
_WRITE_BUFFER_BYTES = 1 << 20
_REPORT_EVERY = 512  # records


@dataclass(frozen=True)
class WrittenShards:
    """Number and fingerprint of all shards."""

    num_shards: tuple[int, ...]
    """By split."""
    fingerprint: str
    """SHA-256 of the labels and of every shard's digest, in order, in hexadecimal."""


def write_shards(
    spill_folder: Path,
    folders: Iterable[Path],
    audit: Audit,
    labels: tuple[str, ...],
    shard_size: int | None,
    report: Callable[[int], None],
    note: Callable[[SpilledRecord], None],
) -> WrittenShards:
    """Writes every record that the audit did not reject to its shard.

    Args:
        spill_folder: where the records were spilled.
        folders: for each split, the folder to create.
        audit: findings over all records.
        labels: readable class names, for the fingerprint.
        shard_size: examples in each shard but the last, or None for about 100 MB.
        report: called every 512 records with the number written.
        note: called with every record, including rejected ones.

    Raises:
        OSError: the disk is full.
    """
    splits = [
        _SplitWriter(folder, total.num_examples, _examples_of_a_shard(total, shard_size))
        for folder, total in zip(folders, audit.totals, strict=True)
    ]
    num_written = 0
    try:
        for records in _sorted_buckets(spill_folder, consume=True):
            for record in records:
                note(record)
                if record.key in audit.rejected:
                    continue
                number = audit.split_of.get(record.key, record.split)
                splits[number].write(record.read_framed())
                num_written += 1
                if not num_written % _REPORT_EVERY:
                    report(num_written)
        for split in splits:
            split.finish()
    finally:
        for split in splits:
            split.abandon()
    report(num_written)
    fingerprint = sha256("\n".join(labels).encode())
    for split in splits:
        for digest in split.digests:
            fingerprint.update(digest)
    return WrittenShards(tuple(split.num_shards for split in splits), fingerprint.hexdigest())


def _examples_of_a_shard(total: SplitTotals, shard_size: int | None) -> int:
    """Returns the number of examples in each shard but the last."""
    if shard_size is not None:
        return shard_size
    num_shards = max(1, round(total.num_bytes / _SHARD_BYTES))
    return max(1, math.ceil(total.num_examples / num_shards))


class _SplitWriter:
    """Fills the shards of one split, one after the other."""

    def __init__(self, folder: Path, num_examples: int, shard_examples: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._shard_examples = shard_examples
        self.num_shards = max(1, math.ceil(num_examples / shard_examples))
        self.digests: list[bytes] = []
        """SHA-256 of each finished shard."""
        self._room = 0
        self._hash = sha256()
        self._file: BinaryIO | None = None

    def write(self, framed: bytes) -> None:
        if self._file is None or not self._room:
            self._next_shard()
        assert self._file is not None
        self._file.write(framed)
        self._hash.update(framed)
        self._room -= 1

    def finish(self) -> None:
        if self._file is None:  # no examples: one empty shard
            self._next_shard()
        self._close_shard()
        assert len(self.digests) == self.num_shards, (len(self.digests), self.num_shards)

    def abandon(self) -> None:
        """Closes a file that an error left open."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:  # the disk is full: closing flushes once more
                self._file = None

    def _next_shard(self) -> None:
        self._close_shard()
        name = f"data-{len(self.digests):05}-of-{self.num_shards:05}.tfrecord"
        self._file = (self._folder / name).open("wb", buffering=_WRITE_BUFFER_BYTES)
        self._hash = sha256()
        self._room = self._shard_examples

    def _close_shard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self.digests.append(self._hash.digest())
