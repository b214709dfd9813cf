"""Reads and writes TFRecord files and `tf.train.Example`s without TensorFlow."""

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
    """Returns a record with its length and checksums, as it stands in a TFRecord file."""
    length = len(record).to_bytes(8, "little")
    return b"".join((length, _checksum(length), record, _checksum(record)))


def read_records(file: Path) -> Iterator[bytes]:
    """Yields the records of an uncompressed TFRecord file.

    Raises:
        DatasetError: the file is truncated or a checksum does not match.
        OSError: the file cannot be read.
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
    """Returns the CRC-32C, masked as the TFRecord format wants it."""
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
    """Serialises a `tf.train.Example` of one bytes or int64 value per key, deterministically."""
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
    """Parses a `tf.train.Example` whose features have one bytes or int64 value each.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no example.
    """
    example = Example.FromString(serialized)
    return {
        key: getattr(feature, feature.WhichOneof("kind")).value[0]
        for key, feature in example.features.feature.items()
    }
