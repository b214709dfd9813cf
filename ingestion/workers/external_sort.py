"""The second half of the external sort: shards of TFRecords in their final order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from ingestion.workers.spill import SpilledRecord, sorted_buckets

_SHARD_BYTES = 100_000_000
_WRITE_BUFFER_BYTES = 1 << 20
_REPORT_EVERY = 512  # records


@dataclass
class SplitTotals:
    """What one split will hold, counted while its records arrive."""

    examples: Counter[int]
    """Number of examples by label."""
    num_bytes: int = 0
    """Bytes of the framed records."""

    @property
    def num_examples(self) -> int:
        """Number of examples of all labels."""
        return self.examples.total()

    def shard_examples(self, shard_size: int | None) -> int:
        """Returns how many examples each shard but the last holds.

        Args:
            shard_size: What the user asked for, or None for shards of about 100 MB.
        """
        if shard_size is not None:
            return shard_size
        num_shards = max(1, round(self.num_bytes / _SHARD_BYTES))
        return max(1, math.ceil(self.num_examples / num_shards))


@dataclass(frozen=True)
class Copies:
    """Pictures that are equal byte for byte."""

    num_duplicates: int = 0
    """Pictures that another one equals, not counting the first of each."""
    num_contradictory: int = 0
    """Pictures that equal one of another class: at least one of the two labels is wrong."""
    num_across_splits: int = 0
    """Pictures that equal one of another split: such an evaluation is too kind."""

    def plus(self, records: list[SpilledRecord]) -> Copies:
        """Returns the counts with one group of equal pictures added."""
        if len(records) < 2:
            return self
        contradictory = len({record.label for record in records}) > 1
        across = len({record.split for record in records}) > 1
        return Copies(
            self.num_duplicates + len(records) - 1,
            self.num_contradictory + len(records) * contradictory,
            self.num_across_splits + len(records) * across,
        )


@dataclass(frozen=True)
class WrittenShards:
    """The result of writing all shards."""

    num_shards: tuple[int, ...]
    """For each split."""
    copies: Copies
    fingerprint: str
    """Hash of the labels and of every shard's bytes, in order, as 64 hexadecimal digits."""


def write_shards(
    spill_folder: Path,
    folders: Iterable[Path],
    totals: Iterable[SplitTotals],
    labels: tuple[str, ...],
    shard_size: int | None,
    report: Callable[[int], None],
) -> WrittenShards:
    """Writes every record to its shard.

    Args:
        spill_folder: Where the records were spilled.
        folders: For each split, the folder to create.
        totals: For each split, what it will hold.
        labels: Readable names of the classes, for the fingerprint.
        shard_size: Examples in each shard but the last, or None for about 100 MB.
        report: Called now and then with the number of records written.

    Returns:
        What was written.

    Raises:
        OSError: If the disk is full.
    """
    splits = [
        _SplitWriter(folder, total.num_examples, total.shard_examples(shard_size))
        for folder, total in zip(folders, totals, strict=True)
    ]
    copies = Copies()
    num_written = 0
    try:
        for records in sorted_buckets(spill_folder):
            for _, equal in groupby(records, key=lambda record: record.key):
                copies = copies.plus(group := list(equal))
                for record in group:
                    splits[record.split].write(record.read_framed())
                num_written += len(group)
                if num_written % _REPORT_EVERY < len(group):
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
    return WrittenShards(
        tuple(split.num_shards for split in splits), copies, fingerprint.hexdigest()
    )


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
        if self._file is None:  # no example at all: one empty shard
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
