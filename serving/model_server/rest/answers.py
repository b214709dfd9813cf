"""Answers as JSON, laid out as TensorFlow Serving prints them."""

from __future__ import annotations

import base64
import inspect
import json
import math
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.rest.dense import dtype_name
from serving.model_server.rest.json_text import INDENT, decimals, encode, quote
from serving.model_server.rest.predict_request import Format
from serving.model_server.tensors import to_array

_DECIMAL = {types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE}
_WHOLE = {
    types_pb2.DT_INT32,
    types_pb2.DT_INT16,
    types_pb2.DT_INT8,
    types_pb2.DT_UINT8,
    types_pb2.DT_INT64,
    types_pb2.DT_UINT32,
    types_pb2.DT_UINT64,
}

# Protocol Buffers 5 renamed the switch.
_PRINT_DEFAULTS = {
    name: True
    for name in ("including_default_value_fields", "always_print_fields_with_no_presence")
    if name in inspect.signature(json_format.MessageToDict).parameters
}


def predict_body(outputs: Mapping[str, TensorProto], form: Format) -> bytes:
    """Writes tensors in the layout of the request.

    Raises:
        ServingError: INVALID_ARGUMENT where a tensor is of a type that JSON has no values for, or
            rows are asked for and the tensors do not agree on how many there are.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    names = sorted(outputs)
    if form is Format.ROW:
        return encode(_rows_text({name: outputs[name] for name in names}))
    depth = 1 if len(names) == 1 else 2
    texts = {name: _whole_text(name, outputs[name], depth) for name in names}
    if len(texts) == 1:
        return encode(_object_text({"outputs": texts[names[0]]}, 0))
    return encode(_object_text({"outputs": _object_text(texts, 1)}, 0))


def classify_body(result: ClassificationResult) -> bytes:
    """Writes label and score of each class of each example.

    Raises:
        ServingError: INVALID_ARGUMENT where there is no example.
    """
    if not result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    texts = []
    for classifications in result.classifications:
        classes = classifications.classes
        scores = decimals(np.array([found.score for found in classes], np.float32))
        pairs = (
            f"[{quote(found.label)}, {score}]" for found, score in zip(classes, scores, strict=True)
        )
        texts.append(f"[{', '.join(pairs)}]")
    return encode(_object_text({"results": f"[{', '.join(texts)}\n{INDENT}]"}, 0))


def regress_body(result: RegressionResult) -> bytes:
    """Writes the value of each example.

    Raises:
        ServingError: INVALID_ARGUMENT where there is no example.
    """
    if not result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    values = np.array([found.value for found in result.regressions], np.float32)
    return encode(_object_text({"results": f"[{', '.join(decimals(values))}]"}, 0))


def status_body(response: GetModelStatusResponse) -> bytes:
    """Writes the state of versions."""
    return encode(f"{_message_text(response)}\n")


def metadata_body(response: GetModelMetadataResponse) -> bytes:
    """Writes a version's signatures.

    Raises:
        ServingError: INTERNAL where the response holds none.
    """
    signatures = SignatureDefMap()
    if not response.metadata["signature_def"].Unpack(signatures):
        raise ServingError(
            grpc.StatusCode.INTERNAL, "Failed to unpack 'Any' object to 'SignatureDefMap'."
        )
    return encode(
        f'{{\n"model_spec":{_message_text(response.model_spec)}\n,\n'
        f'"metadata": {{"signature_def": {_message_text(signatures)}\n}}\n}}\n'
    )


def _message_text(message: Message) -> str:
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True, **_PRINT_DEFAULTS)
    return json.dumps(fields, indent=1, ensure_ascii=False)


def _object_text(members: Mapping[str, str], depth: int) -> str:
    inner = "\n" + INDENT * (depth + 1)
    lines = f",{inner}".join(f"{quote(name)}: {text}" for name, text in members.items())
    return f"{{{inner}{lines}\n{INDENT * depth}}}"


def _rows_text(outputs: Mapping[str, TensorProto]) -> str:
    count = _row_count(outputs)
    named = len(outputs) > 1
    # Where a row's lists begin: inside the object, the list of predictions and its own object.
    depth = 3 if named else 2
    columns = {name: _row_texts(name, tensor, depth) for name, tensor in outputs.items()}
    if not named:
        (rows,) = columns.values()
        text = ", ".join(rows)
    else:
        text = ",".join(
            "\n"
            + INDENT * 2
            + _object_text({name: rows[place] for name, rows in columns.items()}, 2)
            for place in range(count)
        )
    return _object_text({"predictions": f"[{text}\n{INDENT}]"}, 0)


def _row_count(outputs: Mapping[str, TensorProto]) -> int:
    count = 0
    for name, tensor in outputs.items():
        if not tensor.tensor_shape.dim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        size = tensor.tensor_shape.dim[0].size
        if size < 1:
            raise invalid_argument(f"Tensor name: {name} has invalid batch size: {size}")
        if count not in (0, size):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {size} expecting: {count}"
            )
        count = size
    return count


def _row_texts(name: str, tensor: TensorProto, depth: int) -> list[str]:
    """Writes a tensor as one text for each row, lists on one line."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    level = _value_texts(name, tensor, depth + len(shape) - 1)
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        level = [
            f"[{', '.join(level[start * size : (start + 1) * size])}]"
            for start in range(math.prod(shape[:axis]))
        ]
    return level


def _whole_text(name: str, tensor: TensorProto, depth: int) -> str:
    """Writes a tensor with each value on its own line."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    level = _value_texts(name, tensor, depth + len(shape))
    for axis in range(len(shape) - 1, -1, -1):
        size = shape[axis]
        outer = "\n" + INDENT * (depth + axis)
        inner = outer + INDENT
        separator = f",{inner}"
        level = [
            f"[{inner}{separator.join(level[start * size : (start + 1) * size])}{outer}]"
            if size
            else "[]"
            for start in range(math.prod(shape[:axis]))
        ]
    return level[0]


def _value_texts(name: str, tensor: TensorProto, depth: int) -> list[str]:
    """Writes each value of a tensor."""
    if not math.prod(dim.size for dim in tensor.tensor_shape.dim):
        return []
    if tensor.dtype == types_pb2.DT_STRING:
        values: list[bytes] = to_array(name, tensor).ravel().tolist()
        if name.endswith("_bytes"):
            return [_base64_text(value, depth) for value in values]
        return [quote(value.decode("utf-8", "surrogateescape")) for value in values]
    if tensor.dtype not in {*_DECIMAL, *_WHOLE, types_pb2.DT_BOOL}:
        raise invalid_argument(
            f"Failed to write JSON value for tensor type: {dtype_name(tensor.dtype)}"
        )
    array = to_array(name, tensor)
    if tensor.dtype in _DECIMAL:
        return decimals(array)
    texts: list[Any] = list(map(str, array.ravel().tolist()))
    return [text.lower() for text in texts] if tensor.dtype == types_pb2.DT_BOOL else texts


def _base64_text(value: bytes, depth: int) -> str:
    return _object_text({"b64": quote(base64.b64encode(value).decode("ascii"))}, depth)
