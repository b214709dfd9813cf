"""The framing of TFRecord files: length and checksum around each record, not compressed.

Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from foundation.errors_part import DatasetError

_MASK_DELTA = 0xA282EAD8
_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")


def frame(record: bytes) -> bytes:
    """Returns a record with its length and checksums, ready to be appended to a file."""
    length = len(record).to_bytes(8, "little")
    return b"".join((length, _checksum(length), record, _checksum(record)))


def read_records(file: Path) -> Iterator[bytes]:
    """Yields the records of a file.

    Args:
        file: A TFRecord file that is not compressed.

    Raises:
        DatasetError: If the file is cut short or a checksum does not fit.
        OSError: If the file cannot be read.
    """
    with file.open("rb") as stream:
        while head := stream.read(_LENGTH.size):
            if len(head) == _LENGTH.size and head[8:] == _checksum(head[:8]):
                length = _LENGTH.unpack(head)[0]
                record = stream.read(length)
                if stream.read(_CHECKSUM.size) == _checksum(record) and len(record) == length:
                    yield record
                    continue
            raise DatasetError(f"{file} is damaged or cut short: convert the pictures again.")


def _checksum(data: bytes) -> bytes:
    """Returns the CRC-32C, masked so that a checksum of data with checksums in it is no clash."""
    crc = google_crc32c.value(data)
    return _CHECKSUM.pack((((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)
