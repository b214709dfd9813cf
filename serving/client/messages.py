"""The messages of TensorFlow Serving's API that a client needs, without importing TensorFlow.

The official stubs (tensorflow-serving-api) import their tensors from the `tensorflow` package, and
importing any part of that runs all of it: five seconds and half a gigabyte before the first call.
What travels is decided by field numbers and types alone, which Protocol Buffers never changes, so
the messages are declared here once more; a test holds them against the official ones.

They live in a descriptor pool of their own. A process may import TensorFlow or the official stubs
as well, earlier or later, and neither notices the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Proto = descriptor_pb2.FieldDescriptorProto


class _Field(NamedTuple):
    name: str
    number: int
    type: int | str
    """A scalar type, or the full name of a message."""
    repeated: bool = False
    one_of: str | None = None
    """Of the fields that share this name, at most one is set; they follow one another."""


_TENSORS = {
    "Dim": (_Field("size", 1, _Proto.TYPE_INT64),),
    "TensorShapeProto": (_Field("dim", 2, "tensorflow.Dim", repeated=True),),
    "TensorProto": (
        _Field("dtype", 1, _Proto.TYPE_INT32),  # an enum, which travels as a number
        _Field("tensor_shape", 2, "tensorflow.TensorShapeProto"),
        _Field("tensor_content", 4, _Proto.TYPE_BYTES),
        _Field("float_val", 5, _Proto.TYPE_FLOAT, repeated=True),
        _Field("string_val", 8, _Proto.TYPE_BYTES, repeated=True),
    ),
}
_CALLS = {
    "Int64Value": (_Field("value", 1, _Proto.TYPE_INT64),),
    "ModelSpec": (
        _Field("name", 1, _Proto.TYPE_STRING),
        _Field("version", 2, "tensorflow.serving.Int64Value", one_of="version_choice"),
        _Field("version_label", 4, _Proto.TYPE_STRING, one_of="version_choice"),
        _Field("signature_name", 3, _Proto.TYPE_STRING),
    ),
    # An entry of a map: Protocol Buffers sends a map as a list of such messages.
    "NamedTensor": (
        _Field("key", 1, _Proto.TYPE_STRING),
        _Field("value", 2, "tensorflow.TensorProto"),
    ),
    "PredictRequest": (
        _Field("model_spec", 1, "tensorflow.serving.ModelSpec"),
        _Field("inputs", 2, "tensorflow.serving.NamedTensor", repeated=True),
    ),
    "PredictResponse": (
        _Field("outputs", 1, "tensorflow.serving.NamedTensor", repeated=True),
        _Field("model_spec", 2, "tensorflow.serving.ModelSpec"),
    ),
    "StatusProto": (
        _Field("error_code", 1, _Proto.TYPE_INT32),
        _Field("error_message", 2, _Proto.TYPE_STRING),
    ),
    "ModelVersionStatus": (
        _Field("version", 1, _Proto.TYPE_INT64),
        _Field("state", 2, _Proto.TYPE_INT32),
        _Field("status", 3, "tensorflow.serving.StatusProto"),
    ),
    "GetModelStatusRequest": (_Field("model_spec", 1, "tensorflow.serving.ModelSpec"),),
    "GetModelStatusResponse": (
        _Field("model_version_status", 1, "tensorflow.serving.ModelVersionStatus", repeated=True),
    ),
}


def _file(
    package: str, messages: dict[str, tuple[_Field, ...]], *dependencies: str
) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=package, package=package, dependency=dependencies, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        one_ofs = list(dict.fromkeys(field.one_of for field in fields if field.one_of))
        for one_of in one_ofs:
            message.oneof_decl.add(name=one_of)
        for field in fields:
            label = _Proto.LABEL_REPEATED if field.repeated else _Proto.LABEL_OPTIONAL
            added = message.field.add(name=field.name, number=field.number, label=label)
            if isinstance(field.type, str):
                added.type, added.type_name = _Proto.TYPE_MESSAGE, f".{field.type}"
            else:
                added.type = field.type
            if field.one_of:
                added.oneof_index = one_ofs.index(field.one_of)
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(_file("tensorflow", _TENSORS).SerializeToString())
_POOL.AddSerializedFile(_file("tensorflow.serving", _CALLS, "tensorflow").SerializeToString())


def _message_class(name: str) -> Any:
    descriptor = _POOL.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):  # from Protocol Buffers 4.22
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_POOL).GetPrototype(descriptor)


TensorProto = _message_class("tensorflow.TensorProto")
PredictRequest = _message_class("tensorflow.serving.PredictRequest")
PredictResponse = _message_class("tensorflow.serving.PredictResponse")
GetModelStatusRequest = _message_class("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = _message_class("tensorflow.serving.GetModelStatusResponse")

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
