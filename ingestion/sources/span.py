"""Where a file's bytes lie on disk, so that a worker process can fetch them itself."""

from __future__ import annotations

import os
import zlib
from typing import NamedTuple


class Span(NamedTuple):
    """Where the bytes of one file lie on disk. Small, so that it is cheap to send to a worker."""

    file: str
    """Path of the file to open."""
    offset: int
    """First byte."""
    stored_bytes: int
    """Bytes to read."""
    deflated: bool = False
    """Whether those bytes are a raw deflate stream, as in a zip archive."""
    crc32: int | None = None
    """CRC-32 of the content, where the archive records one."""

    def read(self) -> bytes:
        """Reads the content.

        Returns:
            The file's bytes, inflated where needed.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If an archive's bytes are damaged.
        """
        with open(self.file, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), self.stored_bytes, self.offset)
            while len(data) < self.stored_bytes:  # one pread gives at most 2 GiB
                more = os.pread(
                    file.fileno(), self.stored_bytes - len(data), self.offset + len(data)
                )
                if not more:
                    break
                data += more
        if self.deflated:
            try:
                data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
            except zlib.error as error:
                raise ValueError(f"damaged in the archive ({error})") from error
        if self.crc32 is not None and zlib.crc32(data) != self.crc32:
            raise ValueError("damaged in the archive (wrong checksum)")
        return data
