"""`tf.train.Example` without TensorFlow: the same bytes, from messages of our own."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import google_crc32c

from foundation.errors import DatasetError
from ingestion.example_pb2 import Example

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


IMAGE_KEY = "image/encoded"
FORMAT_KEY = "image/format"
HEIGHT_KEY = "image/height"
WIDTH_KEY = "image/width"
FILENAME_KEY = "image/filename"
TEXT_KEY = "image/class/text"
LABEL_KEY = "image/class/label"

FeatureValue = bytes | int


def encode_example(features: Mapping[str, FeatureValue]) -> bytes:
    """Serializes one example.

    Args:
        features: Value by key; each becomes a list of one bytes or int64 value.

    Returns:
        A `tf.train.Example`, the same bytes for the same features.
    """
    example = Example()
    entries = example.features.feature
    for key, value in features.items():
        if isinstance(value, bytes):
            entries[key].bytes_list.value.append(value)
        else:
            entries[key].int64_list.value.append(value)
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def decode_example(serialized: bytes) -> dict[str, FeatureValue]:
    """Parses what `encode_example` wrote.

    Args:
        serialized: A `tf.train.Example` whose features have one bytes or int64 value each.

    Returns:
        Value by key.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are no example.
    """
    example = Example.FromString(serialized)
    return {
        key: getattr(feature, feature.WhichOneof("kind")).value[0]
        for key, feature in example.features.feature.items()
    }
