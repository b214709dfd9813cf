"""`tf.train.Example` without TensorFlow: the same bytes, from message classes made here.

The classes live in a descriptor pool of their own, so that a process which also imports TensorFlow
does not find the same message defined twice.
Definition: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from foundation.errors import DatasetError

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
    example = _example_class()()
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
    example = _example_class().FromString(serialized)
    return {
        key: getattr(feature, feature.WhichOneof("kind")).value[0]
        for key, feature in example.features.feature.items()
    }


@cache
def _example_class() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="dogbreed/example.proto", package="tensorflow", syntax="proto3"
    )

    def add_message(name: str, **fields: tuple[int, int, int, str | None]) -> Any:
        message = file.message_type.add(name=name)
        for field_name, (number, label, kind, type_name) in fields.items():
            message.field.add(
                name=field_name, number=number, label=label, type=kind, type_name=type_name
            )
        return message

    one, many, nested = field.LABEL_OPTIONAL, field.LABEL_REPEATED, field.TYPE_MESSAGE
    add_message("BytesList", value=(1, many, field.TYPE_BYTES, None))
    add_message("FloatList", value=(1, many, field.TYPE_FLOAT, None))
    add_message("Int64List", value=(1, many, field.TYPE_INT64, None))
    feature = add_message(
        "Feature",
        bytes_list=(1, one, nested, ".tensorflow.BytesList"),
        float_list=(2, one, nested, ".tensorflow.FloatList"),
        int64_list=(3, one, nested, ".tensorflow.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for member in feature.field:
        member.oneof_index = 0
    features = add_message(
        "Features", feature=(1, many, nested, ".tensorflow.Features.FeatureEntry")
    )
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=one, type=field.TYPE_STRING)
    entry.field.add(name="value", number=2, label=one, type=nested, type_name=".tensorflow.Feature")
    add_message("Example", features=(1, one, nested, ".tensorflow.Features"))

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName("tensorflow.Example")
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)
