"""Writes the schema of the records, which every later step validates against.

Written instead of inferred from statistics, to state what is intended and not what was seen.
Message:
https://github.com/tensorflow/metadata/blob/master/tensorflow_metadata/proto/v0/schema.proto
"""

from __future__ import annotations

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ingestion import records as example
from ingestion.picture import MAX_SIDE_PX


def make_schema(labels: tuple[str, ...]) -> str:
    """Returns the schema of a set as text, for schema.pbtxt; `labels` are in label order."""
    schema = schema_pb2.Schema()
    encoded = _add(schema, example.IMAGE_KEY, schema_pb2.BYTES)
    # Also keeps the statistics from counting images as if they were words.
    encoded.image_domain.SetInParent()
    file_format = _add(schema, example.FORMAT_KEY, schema_pb2.BYTES)
    file_format.string_domain.value.append("jpeg")
    for key in (example.HEIGHT_KEY, example.WIDTH_KEY):
        side = _add(schema, key, schema_pb2.INT)
        side.int_domain.min, side.int_domain.max = 1, MAX_SIDE_PX
    _add(schema, example.FILENAME_KEY, schema_pb2.BYTES)
    text = _add(schema, example.TEXT_KEY, schema_pb2.BYTES)
    text.string_domain.value.extend(labels)
    label = _add(schema, example.LABEL_KEY, schema_pb2.INT)
    label.int_domain.min, label.int_domain.max = 0, len(labels) - 1
    label.int_domain.is_categorical = True
    return str(text_format.MessageToString(schema))


def _add(schema: schema_pb2.Schema, name: str, kind: int) -> schema_pb2.Feature:
    """Adds a required feature of a single value."""
    feature = schema.feature.add(name=name, type=kind)
    feature.presence.min_fraction = 1
    feature.presence.min_count = 1
    feature.shape.dim.add(size=1)
    return feature
