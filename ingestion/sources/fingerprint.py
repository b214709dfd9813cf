"""Computes a cheap fingerprint of a source and of the options of its conversion."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from foundation.errors import DatasetError
from ingestion.dataset import FORMAT_VERSION
from ingestion.decisions import read_decisions
from ingestion.options import ConvertOptions
from ingestion.sources.readers import TFDS_PREFIX
from ingestion.sources.stores import Entry, open_store


class SourceKey:
    """The fingerprint of a source, updated while its files are listed.

    Raises:
        DatasetError: the source or the decisions do not exist or cannot be read.
    """

    def __init__(self, source: str, options: ConvertOptions) -> None:
        described = json.dumps([FORMAT_VERSION, options.recorded()], sort_keys=True)
        self._hash = sha256(described.encode())
        if options.decisions is not None:
            for file_name, decision in sorted(read_decisions(options.decisions).items()):
                self._hash.update(f"{file_name}\0{decision}\n".encode("utf-8", "surrogateescape"))
        path = Path(source)
        if source.startswith(TFDS_PREFIX):
            self._hash.update(source.encode())
        elif path.is_file():
            try:
                status = path.stat()
            except OSError as error:
                raise DatasetError(f"{source} cannot be read: {error.strerror}.") from error
            self._hash.update(f"{status.st_size} {status.st_mtime_ns}".encode())

    def add(self, entry: Entry) -> None:
        """Adds the next file of a folder; an archive counts as one file."""
        if entry.changed_ns is not None:
            line = f"{entry.path}\0{entry.num_bytes} {entry.changed_ns}\n"
            self._hash.update(line.encode("utf-8", "surrogateescape"))

    def hexdigest(self) -> str:
        """Returns the fingerprint as 64 hexadecimal digits."""
        return self._hash.hexdigest()


def source_fingerprint(source: str, options: ConvertOptions) -> str:
    """Returns the fingerprint of a source and its options as 64 hexadecimal digits.

    Covers names, sizes and modification times, but neither the content nor the location of the
    source.

    Raises:
        DatasetError: the source does not exist, cannot be read, or is neither a folder nor an
            archive; or the decisions cannot be read.
    """
    key = SourceKey(source, options)
    path = Path(source)
    if not source.startswith(TFDS_PREFIX) and not path.is_file():
        for entry in open_store(path).walk():
            key.add(entry)
    return key.hexdigest()
