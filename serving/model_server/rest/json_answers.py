"""Writes responses as JSON."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message
from numpy.typing import NDArray
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.errors import invalid_argument
from serving.model_server.rest.json_requests import JSON_DTYPES
from serving.model_server.tensors import to_array

# Renamed in Protocol Buffers 5.
_PRINT_DEFAULTS = {
    name: True
    for name in ("including_default_value_fields", "always_print_fields_with_no_presence")
    if name in inspect.signature(json_format.MessageToDict).parameters
}


def predict_body(outputs: Mapping[str, TensorProto], by_rows: bool) -> bytes:
    """Writes tensors as `predictions`, a value for each row, or as whole `outputs`.

    Raises:
        ServingError: INVALID_ARGUMENT if a tensor's type has no JSON form, or rows are asked for
            and the tensors differ in their number.
    """
    arrays = {name: _array(name, outputs[name]) for name in sorted(outputs)}
    counts = {array.shape[:1] for array in arrays.values()}
    if by_rows and (len(counts) > 1 or () in counts):
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise invalid_argument(f"The outputs differ in their number of rows: {shapes}")
    values: Any = {name: array.tolist() for name, array in arrays.items()}
    if len(values) == 1:
        [values] = values.values()
    elif by_rows:
        values = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _encode({"predictions" if by_rows else "outputs": values})


def classify_body(result: ClassificationResult) -> bytes:
    """Writes label and score of each class of each example."""
    results = []
    for one in result.classifications:
        scores = _shortened(np.array([found.score for found in one.classes], np.float32))
        labels = [found.label for found in one.classes]
        results.append(list(zip(labels, scores.tolist(), strict=True)))
    return _encode({"results": results})


def regress_body(result: RegressionResult) -> bytes:
    """Writes the value of each example."""
    values = np.array([found.value for found in result.regressions], np.float32)
    return _encode({"results": _shortened(values).tolist()})


def status_body(response: GetModelStatusResponse) -> bytes:
    """Writes the states of versions."""
    return _encode(_fields(response), indent=1)


def metadata_body(response: GetModelMetadataResponse) -> bytes:
    """Writes a version's signatures."""
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    metadata = {"signature_def": _fields(signatures)}
    return _encode({"model_spec": _fields(response.model_spec), "metadata": metadata}, indent=1)


def _encode(value: Any, indent: int | None = None) -> bytes:
    # Strings that are not UTF-8 pass unchanged, as in TensorFlow Serving.
    return json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "surrogateescape")


def _fields(message: Message) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True, **_PRINT_DEFAULTS)


def _array(name: str, tensor: TensorProto) -> NDArray[Any]:
    dtype = tf.dtypes.as_dtype(tensor.dtype)
    if dtype not in JSON_DTYPES:
        raise invalid_argument(f"Output {name} is of type {dtype.name}, which JSON cannot give")
    array = to_array(name, tensor)
    if dtype == tf.float32:
        return _shortened(array)
    if dtype == tf.string:
        return np.vectorize(_string, otypes=[object])(array, name.endswith("_bytes"))
    return array


def _string(value: bytes, as_base64: bool) -> Any:
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "surrogateescape")


def _shortened(array: NDArray[Any]) -> NDArray[Any]:
    """Converts float32 to the doubles that print in few digits: 0.1 as 0.1."""
    short = exact = array.astype(np.float64)
    with np.errstate(all="ignore"):  # zero, infinities and NaN stay what they are
        decade = np.floor(np.log10(np.abs(exact)))
        for digits in (9, 8, 7, 6):
            scale = 10.0 ** np.maximum(digits - 1 - decade, 0)
            rounded = np.round(exact * scale) / scale
            short = np.where(rounded.astype(np.float32) == array, rounded, short)
    return short
