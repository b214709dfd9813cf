"""Parses JSON requests: tensors for Predict, examples for Classify and Regress."""

from __future__ import annotations

import base64
import gc
import json
import math
from collections.abc import Callable, Mapping
from itertools import chain, islice
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.model_server.errors import invalid_argument

JSON_DTYPES = {
    tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64,
    tf.bool, tf.string,
}  # fmt: skip
"""Tensor types that TensorFlow Serving's REST API supports."""

_MAX_SHOWN_BYTES = 256
_MAX_RANK = 32  # numpy's before version 2


class _Infinity(float):
    """Infinity spelt out in a request, unlike a number too large for a double."""


_CONSTANTS = {"NaN": math.nan, "Infinity": _Infinity("inf"), "-Infinity": _Infinity("-inf")}


def fill_tensors(
    request: PredictRequest, body: bytearray, signature_of: Callable[[ModelSpec], SignatureDef]
) -> bool:
    """Fills a request from `instances` (rows) or `inputs` (whole tensors); returns whether by rows.

    Raises:
        ServingError: INVALID_ARGUMENT if the JSON is no request for the signature that
            `signature_of` finds; whatever that raises.
    """
    document = _parse(body, request.model_spec)
    inputs = signature_of(request.model_spec).inputs
    by_rows = "instances" in document
    if by_rows == ("inputs" in document):
        raise invalid_argument("A request must have either 'instances' or 'inputs'")
    key = "instances" if by_rows else "inputs"
    given = _filled_list(document, key) if by_rows else document[key]
    names = ", ".join(sorted(inputs)) or "none"
    if by_rows and _is_named(given[0]):
        for place, row in enumerate(given):
            if type(row) is not dict or row.keys() != inputs.keys():
                raise invalid_argument(
                    f"'instances'[{place}] must name the inputs, {names}, but is {shown(row)}"
                )
        given = {name: [row[name] for row in given] for name in inputs}
    if not _is_named(given):
        if len(inputs) != 1:
            raise invalid_argument(f"'{key}' must name the inputs, {names}")
        given = dict.fromkeys(inputs, given)
    for name, info in inputs.items():
        if name not in given:
            raise invalid_argument(f"'{key}' lacks the input {name}")
        _fill_tensor(request.inputs[name], name, given[name], tf.dtypes.as_dtype(info.dtype))
    return by_rows


def fill_examples(request: ClassificationRequest | RegressionRequest, body: bytearray) -> None:
    """Fills a request from `examples` and `context`; raises `ServingError` (INVALID_ARGUMENT)."""
    document = _parse(body, request.model_spec)
    examples = request.input.example_list.examples
    if "context" in document:
        with_context = request.input.example_list_with_context
        _fill_example(with_context.context, document["context"])
        examples = with_context.examples
    for value in _filled_list(document, "examples"):
        _fill_example(examples.add(), value)


def shown(value: Any) -> str:
    """Formats a value of a request for an error message, cut to 256 bytes."""
    pieces = json.JSONEncoder(ensure_ascii=False).iterencode(value)
    text = "".join(islice(pieces, _MAX_SHOWN_BYTES + 1)).encode()
    if len(text) <= _MAX_SHOWN_BYTES:
        return text.decode()
    return f"{text[:_MAX_SHOWN_BYTES].decode(errors='ignore')}..."


def _parse(body: bytearray, model_spec: ModelSpec) -> dict[str, Any]:
    """Parses an object, and copies its signature name, if any, into the model spec."""
    # With millions of small lists, garbage collection would take half of the time.
    gc.disable()
    try:
        text = body.decode("utf-8-sig")
        document: Any = json.loads(text, parse_constant=_CONSTANTS.__getitem__)
        if "\\ud" in text or "\\uD" in text:
            # Lone surrogates cannot be encoded.
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: lists or objects are nested too deep") from error
    except ValueError as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    finally:
        gc.enable()
    if type(document) is not dict:
        raise invalid_argument(f"A request must be a JSON object, but is {shown(document)}")
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise invalid_argument(f"'signature_name' must be a string, but is {shown(name)}")
    model_spec.signature_name = name
    return document


def _filled_list(document: Mapping[str, Any], key: str) -> Any:
    values = document.get(key)
    if type(values) is not list or not values:
        raise invalid_argument(f"'{key}' must be a list with values, but is {shown(values)}")
    return values


def _is_base64(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def _is_named(value: Any) -> bool:
    return type(value) is dict and not _is_base64(value)


def _fill_tensor(tensor: TensorProto, name: str, value: Any, dtype: tf.DType) -> None:
    if dtype not in JSON_DTYPES:
        raise invalid_argument(f"Input {name} is of type {dtype.name}, which JSON cannot give")
    shape, values = _flatten(name, value)
    tensor.dtype = dtype.as_datatype_enum
    tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    if dtype == tf.string:
        tensor.string_val.extend(map(_read_bytes, values))
        return
    place = _misfit(values, dtype)
    if place is not None:
        where = f"Input {name}{_position(place, shape)}"
        raise invalid_argument(f"{where} must be {dtype.name}, but is {shown(values[place])}")
    tensor.tensor_content = np.array(values, dtype.as_numpy_dtype).tobytes()


def _flatten(name: str, value: Any) -> tuple[list[int], list[Any]]:
    """Returns the shape of nested lists and their values in C order."""
    shape: list[int] = []
    level = [value]
    while list in set(map(type, level)):
        size = len(level[0]) if type(level[0]) is list else -1
        for place, item in enumerate(level):
            if type(item) is not list or len(item) != size or len(shape) == _MAX_RANK:
                raise invalid_argument(
                    f"Input {name}{_position(place, shape)} must be a list as long as those beside "
                    f"it, no more than {_MAX_RANK} levels deep, but is {shown(item)}"
                )
        shape.append(size)
        level = list(chain.from_iterable(level))
    return shape, level


def _position(place: int, shape: list[int]) -> str:
    return "".join(f"[{index}]" for index in np.unravel_index(place, shape))


def _misfit(values: list[Any], dtype: tf.DType) -> int | None:
    """Finds the first value that a number or boolean type cannot hold."""
    types: set[type] = {bool} if dtype == tf.bool else {int}
    lowest, highest = (False, True) if dtype == tf.bool else (dtype.min, dtype.max)
    if dtype.is_floating:
        types, lowest, highest = {int, float, _Infinity}, float(lowest), float(highest)
    # Checking the extremes is much faster than checking every value.
    known = set(map(type, values)) <= types
    if known and lowest <= min(values, default=0) and max(values, default=0) <= highest:
        return None
    for place, value in enumerate(values):
        is_spelt_out = type(value) is _Infinity or value != value
        if type(value) not in types or not (is_spelt_out or lowest <= value <= highest):
            return place
    return None


def _read_bytes(value: Any) -> bytes:
    if type(value) is str:
        return value.encode()
    try:
        # Tools break Base64 into lines and omit its padding.
        text = "".join(value["b64"].split()) if _is_base64(value) else "?"
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise invalid_argument(f"Neither a string nor {{'b64': BASE64}}: {shown(value)}") from error


def _fill_example(example: Example, value: Any) -> None:
    if type(value) is not dict:
        raise invalid_argument(f"An example must be an object of features, but is {shown(value)}")
    for name, content in value.items():
        values = content if type(content) is list else [content]
        types = set(map(type, values))
        feature = example.features.feature[name]
        if not values:
            continue
        if types <= {str, dict}:
            feature.bytes_list.value.extend(map(_read_bytes, values))
        elif types <= {float, _Infinity} and _misfit(values, tf.float32) is None:
            feature.float_list.value.extend(values)
        elif types <= {int, bool} and _misfit(list(map(int, values)), tf.int64) is None:
            feature.int64_list.value.extend(map(int, values))
        else:
            raise invalid_argument(
                f"Feature {shown(name)} must be strings, or decimals in the range of float32, or "
                f"64-bit integers, but is {shown(content)}"
            )
