"""Predict requests from JSON: `instances`, a row for each example, or `inputs`, whole tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.rest.dense import (
    dense_shape,
    flatten,
    has_infinity,
    is_base64,
    pack,
    walk,
)
from serving.model_server.rest.json_text import Object, encode, members, to_text
from serving.model_server.rest.rapid_json import Document, parse


class Format(Enum):
    """How a request lays out its tensors, and so its answer."""

    ROW = "instances"
    COLUMNAR = "inputs"


def read_predict_request(
    body: bytes,
    model_spec: ModelSpec,
    inputs_of: Callable[[ModelSpec], Mapping[str, TensorInfo]],
) -> tuple[PredictRequest, Format]:
    """Reads a request.

    Args:
        body: JSON.
        model_spec: which version the URL names.
        inputs_of: finds the inputs of the signature that a model spec names.

    Raises:
        ServingError: INVALID_ARGUMENT where the JSON is none of a request for this signature;
            whatever `inputs_of` raises.
    """
    document = parse(body)
    request = PredictRequest(model_spec=model_spec)
    read_signature_name(document, request.model_spec)
    inputs = inputs_of(request.model_spec)
    if not inputs:
        raise invalid_argument(
            "Failed to get input map for signature: "
            f"{request.model_spec.signature_name or 'DEFAULT'}"
        )
    given = members(document.root)
    if "instances" in given:
        if "inputs" in given:
            raise format_error(
                document.root,
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to "
                "exist ",
            )
        if type(given["instances"]) is not list:
            raise format_error(document.root, "Excepting 'instances' to be an list/array")
        if not given["instances"]:
            raise format_error(document.root, "No values in 'instances' array")
        tensors, form = _read_rows(given["instances"], inputs), Format.ROW
    elif "inputs" in given:
        tensors, form = _read_columns(given["inputs"], inputs), Format.COLUMNAR
    else:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    if any(map(has_infinity, tensors.values())):
        document.refuse_overflow()
    for name, tensor in tensors.items():
        request.inputs[name].CopyFrom(tensor)
    return request, form


def read_signature_name(document: Document, model_spec: ModelSpec) -> None:
    """Puts the name of the signature, where there is one, into a model spec.

    Raises:
        ServingError: INVALID_ARGUMENT where it is no string.
    """
    name = members(document.root).get("signature_name", "")
    if type(name) is not str:
        raise format_error(
            document.root, "not formatted correctly. 'signature_name' key must be a string value."
        )
    model_spec.signature_name = valid_text(name)


def valid_text(text: str) -> str:
    """Returns a name that a protocol buffer takes: what is not UTF-8 is replaced."""
    return encode(text).decode("utf-8", "replace")


def format_error(value: Any, message: str) -> ServingError:
    """Returns the error of JSON that is not laid out as a request."""
    return invalid_argument(f"JSON Value: {to_text(value)} {message}")


def _is_named(value: Any) -> bool:
    return type(value) is tuple and not is_base64(value)


def _read_columns(value: Any, inputs: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if not _is_named(value):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        return {name: _read_tensor(value, info.dtype) for name, info in inputs.items()}
    given = members(value)
    tensors = {}
    for name in sorted(inputs):
        if name not in given:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        tensors[name] = _read_tensor(given[name], inputs[name].dtype)
    return tensors


def _read_tensor(value: Any, dtype: int) -> TensorProto:
    tensor = _read_regular(value, dtype)
    if tensor is None:
        shape = dense_shape(value)
        tensor = _packed(list(walk(value, shape, dtype)), shape, dtype)
    return tensor


def _read_regular(value: Any, dtype: int) -> TensorProto | None:
    found = flatten(value)
    return None if found is None else pack(found[1], found[0], dtype)


def _packed(values: list[Any], shape: list[int], dtype: int) -> TensorProto:
    tensor = pack(values, shape, dtype)
    if tensor is None:
        raise AssertionError("values that were checked one by one fit their type")
    return tensor


def _read_rows(rows: list[Any], inputs: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if type(rows[0]) is not tuple and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    named = _is_named(rows[0])
    columns = _columns(rows, inputs) if named else {min(inputs): rows}
    tensors: dict[str, TensorProto] = {}
    for name, column in columns.items():
        tensor = _read_regular(column, inputs[name].dtype)
        if tensor is None:
            break
        tensors[name] = tensor
    else:
        if tensors:
            return tensors
    return _RowReader(inputs, named=named).read(rows)


def _columns(rows: list[Any], inputs: Mapping[str, TensorInfo]) -> dict[str, list[Any]]:
    """Turns rows into columns; gives none where some row has not just the inputs' names."""
    names = inputs.keys()
    if any(type(row) is not tuple or is_base64(row) or len(row) != len(names) for row in rows):
        return {}
    by_name = [dict(row) for row in rows]
    if any(row.keys() != names for row in by_name):
        return {}
    return {name: [row[name] for row in by_name] for name in names}


class _RowReader:
    """Reads rows one by one, as TensorFlow Serving does, up to the first mistake."""

    def __init__(self, inputs: Mapping[str, TensorInfo], *, named: bool) -> None:
        self._inputs = inputs
        self._named = named
        self._values: dict[str, list[Any]] = {}
        self._shapes: dict[str, list[int]] = {}
        self._sizes: dict[str, int] = {}

    def read(self, rows: list[Any]) -> dict[str, TensorProto]:
        for place, row in enumerate(rows):
            if _is_named(row) != self._named:
                expected, got = ("object", "list") if self._named else ("value/list", "object")
                raise invalid_argument(
                    f"Expecting {expected} but got {got} at item {place} of input list"
                )
            if self._named:
                self._add_object(place, row)
            else:
                self._add(place, min(self._inputs), row, "")
        return {
            name: _packed(
                # A name that comes twice in a row leaves values over.
                values[: len(rows) * self._sizes[name]],
                [len(rows), *self._shapes[name]],
                self._inputs[name].dtype,
            )
            for name, values in self._values.items()
        }

    def _add_object(self, place: int, row: Object) -> None:
        for name, value in row:
            self._add(place, name, value, f" key: {name}")
        if {name for name, _ in row} != self._inputs.keys():
            raise invalid_argument(
                f"Failed to process element: {place} of 'instances' list. JSON object: "
                f"{to_text(row)} must only have keys: {','.join(sorted(self._inputs))}"
            )

    def _add(self, place: int, name: str, value: Any, key: str) -> None:
        try:
            self._add_item(name, value)
        except ServingError as error:
            raise invalid_argument(
                f"Failed to process element: {place}{key} of 'instances' list. "
                f"Error: {error.code.name}: {error.message}"
            ) from error

    def _add_item(self, name: str, value: Any) -> None:
        if name not in self._inputs:
            raise invalid_argument(f"JSON object: does not have named input: {name}")
        shape = dense_shape(value)
        values = list(walk(value, shape, self._inputs[name].dtype))
        self._values.setdefault(name, []).extend(values)
        size, expected = len(values), self._sizes.setdefault(name, len(values))
        if size != expected:
            raise invalid_argument(f"Expecting tensor size: {expected} but got: {size}")
        expected_shape = self._shapes.setdefault(name, shape)
        if shape != expected_shape:
            raise invalid_argument(
                f"Expecting shape {_shape_text(expected_shape)} but got: {_shape_text(shape)}"
            )


def _shape_text(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
