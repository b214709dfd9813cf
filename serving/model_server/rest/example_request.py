"""Classify and Regress requests from JSON: `examples`, with a `context` that all of them share."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.rest.dense import decode_base64, is_base64, lossy_error
from serving.model_server.rest.json_text import as_double, encode, is_double, members, type_name
from serving.model_server.rest.predict_request import (
    format_error,
    read_signature_name,
    valid_text,
)
from serving.model_server.rest.rapid_json import parse

_Request = TypeVar("_Request", ClassificationRequest, RegressionRequest)

_KIND_NAMES = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
_FLOAT_MAX = 3.4028234663852886e38


def read_example_request(body: bytes, model_spec: ModelSpec, kind: type[_Request]) -> _Request:
    """Reads a request.

    Args:
        body: JSON.
        model_spec: which version the URL names.
        kind: of the request.

    Raises:
        ServingError: INVALID_ARGUMENT where the JSON is none of a request.
    """
    document = parse(body)
    request = kind(model_spec=model_spec)
    read_signature_name(document, request.model_spec)
    given = members(document.root)
    examples = request.input.example_list.examples
    if "context" in given:
        with_context = request.input.example_list_with_context
        with_context.context.CopyFrom(_read_example(given["context"]))
        examples = with_context.examples
    if "examples" not in given:
        raise format_error(
            document.root,
            "When method is classify, key 'examples' is expected and was not found",
        )
    if type(given["examples"]) is not list:
        raise format_error(document.root, "Expecting 'examples' value to be an list/array")
    if not given["examples"]:
        raise format_error(document.root, "'examples' value is an empty array")
    examples.extend(map(_read_example, given["examples"]))
    if any(_has_infinity(example) for example in examples):
        document.refuse_overflow()
    return request


def _read_example(value: Any) -> Example:
    if type(value) is not tuple:
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    example = Example()
    for name, content in value:
        feature = Feature()
        for item in content if type(content) is list else [content]:
            _add_value(feature, name, item)
        example.features.feature[valid_text(name)].CopyFrom(feature)
    return example


def _has_infinity(example: Example) -> bool:
    return any(
        abs(value) == math.inf
        for feature in example.features.feature.values()
        for value in feature.float_list.value
    )


def _add_value(feature: Feature, name: str, value: Any) -> None:
    """Adds a value to a feature, whose kind the first one settles."""
    if type(value) is str or is_base64(value):
        values = _values(feature, name, "bytes_list")
        values.append(encode(value) if type(value) is str else decode_base64(value))
    elif is_double(value):
        values = _values(feature, name, "float_list")
        number = as_double(value)
        if _FLOAT_MAX < abs(number) < math.inf:
            raise lossy_error(value, "float")
        values.append(number)
    elif isinstance(value, int):  # true and false are numbers here
        values = _values(feature, name, "int64_list")
        if value >= 2**63:
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
        values.append(int(value))
    else:
        raise invalid_argument(
            f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
        )


def _values(feature: Feature, name: str, kind: str) -> Any:
    held = feature.WhichOneof("kind")
    if held not in (None, kind):
        raise _kind_error(name, held)
    return getattr(feature, kind).value


def _kind_error(name: str, held: str) -> ServingError:
    return invalid_argument(
        f"Unexpected element type in feature: {name} expecting type: {_KIND_NAMES[held]}"
    )
