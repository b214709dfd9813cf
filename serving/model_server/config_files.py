"""Messages of TensorFlow Serving's configuration files that its Python package leaves out.

Field names, numbers and types are those of `ssl_config.proto`, `monitoring_config.proto` and
`session_bundle_config.proto` in https://github.com/tensorflow/serving, so that a file written for
the one server is read by the other, and a misspelt field is refused by both. The packages are
named apart, because the original names may be registered by a later release of that package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from serving.model_server.errors import ServingError

Message = TypeVar("Message", bound=Any)


def read_text_proto(path: str, message: Message) -> Message:
    """Reads a text proto.

    Args:
        path: the file.
        message: an empty message of the type expected; it is filled.

    Returns:
        `message`.

    Raises:
        ServingError: the file cannot be read, or holds something else; the message names line
            and column.
    """
    try:
        text_format.Parse(Path(path).read_text(encoding="utf-8"), message)
    except OSError as error:
        raise ServingError(
            grpc.StatusCode.NOT_FOUND, f"{path}; {error.strerror or error}"
        ) from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT, f"Invalid protobuf file: '{path}': {error}"
        ) from error
    return message


_PACKAGE = "dogbreed.serving"
_FILE = "dogbreed/serving/config.proto"
_Field = descriptor_pb2.FieldDescriptorProto


def _message(name: str, **fields: tuple[int, int | str]) -> descriptor_pb2.DescriptorProto:
    """Describes a message; a field's type is a scalar's number or a message's full name."""
    message = descriptor_pb2.DescriptorProto(name=name)
    for field_name, (number, kind) in fields.items():
        field = message.field.add(name=field_name, number=number, label=_Field.LABEL_OPTIONAL)
        if isinstance(kind, str):
            field.type, field.type_name = _Field.TYPE_MESSAGE, f".{kind}"
        else:
            field.type = kind
    return message


def _message_classes() -> dict[str, Any]:
    int64, text, boolean = (
        f"google.protobuf.{wrapper}" for wrapper in ("Int64Value", "StringValue", "BoolValue")
    )
    batching = _message(
        "BatchingParameters",
        max_batch_size=(1, int64),
        batch_timeout_micros=(2, int64),
        max_enqueued_batches=(3, int64),
        num_batch_threads=(4, int64),
        thread_pool_name=(5, text),
        allowed_batch_sizes=(6, _Field.TYPE_INT64),
        pad_variable_length_inputs=(7, _Field.TYPE_BOOL),
        enable_large_batch_splitting=(8, boolean),
        max_execution_batch_size=(9, int64),
    )
    batching.field[5].label = _Field.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(
        name=_FILE,
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
        message_type=[
            batching,
            _message(
                "SSLConfig",
                server_key=(1, _Field.TYPE_STRING),
                server_cert=(2, _Field.TYPE_STRING),
                custom_ca=(3, _Field.TYPE_STRING),
                client_verify=(4, _Field.TYPE_BOOL),
            ),
            _message(
                "PrometheusConfig", enable=(1, _Field.TYPE_BOOL), path=(2, _Field.TYPE_STRING)
            ),
            _message("MonitoringConfig", prometheus_config=(1, f"{_PACKAGE}.PrometheusConfig")),
        ],
    )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {
        message.name: _class_of(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in file.message_type
    }


def _class_of(descriptor: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4 and later
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


_CLASSES = _message_classes()
BatchingParameters = _CLASSES["BatchingParameters"]
SSLConfig = _CLASSES["SSLConfig"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
