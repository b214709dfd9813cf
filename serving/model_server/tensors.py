"""Converts TensorProto messages to numpy arrays and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto

from serving.model_server.errors import invalid_argument

MAX_EXPANDED_BYTES = 64 * 1024 * 1024
"""Limit of a tensor after expansion: a few bytes of a request may stand for many."""

_STRING_BYTES = 24
"""Memory overhead of a string in a tensor; TensorFlow says 0."""

_VALUE_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_BOOL: "bool_val",
    **dict.fromkeys(
        (
            types_pb2.DT_INT32,
            types_pb2.DT_INT16,
            types_pb2.DT_INT8,
            types_pb2.DT_UINT16,
            types_pb2.DT_UINT8,
        ),
        "int_val",
    ),
}


def to_array(name: str, proto: TensorProto) -> NDArray[Any]:
    """Converts a request's tensor as `tensorflow::Tensor::FromProto` does.

    Missing values are filled up with the last one. `name` is the alias, for the message.

    Raises:
        ServingError: INVALID_ARGUMENT if type, shape and values do not fit together.
    """
    refused = invalid_argument(f"tensor parsing error: {name}")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise refused
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        count = math.prod(sizes)
        if dtype == tf.string:
            return _string_array(proto, sizes, count)
        if count * dtype.size > max(MAX_EXPANDED_BYTES, proto.ByteSize()):
            raise refused
        if len(proto.tensor_content) not in (0, count * dtype.size):
            raise refused
        array = tf.make_ndarray(proto)
        if array.dtype == object or array.shape != tuple(sizes):
            raise refused
        return array
    # OverflowError: a number beyond the range of its type.
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise refused from error


def _string_array(proto: TensorProto, sizes: list[int], count: int) -> NDArray[Any]:
    """Reads strings; `tf.make_ndarray` uses fixed-width strings, which cut off zeros."""
    values = proto.string_val
    if len(values) > count or (proto.tensor_content and not values):
        raise ValueError("more values than the shape has room for")
    last = values[-1] if values else b""
    if count * _STRING_BYTES + (count - len(values)) * len(last) > MAX_EXPANDED_BYTES:
        raise ValueError("too many values, or one that stands for too many")
    array = np.empty(count, dtype=object)
    array[: len(values)] = values
    array[len(values) :] = last
    return array.reshape(sizes)


def to_proto(array: NDArray[Any]) -> TensorProto:
    """Converts an array (strings as `object`) to a tensor with values in the field of its type.

    TensorFlow Serving answers this way; callers read `float_val`, which `tf.make_tensor_proto`
    leaves empty for more than one value.
    """
    if array.dtype == object:
        proto = TensorProto(dtype=types_pb2.DT_STRING)
        proto.string_val.extend(array.ravel().tolist())
    else:
        dtype = tf.dtypes.as_dtype(array.dtype)
        values_field = _VALUE_FIELDS.get(dtype.as_datatype_enum)
        if values_field is None:
            return tf.make_tensor_proto(array)
        proto = TensorProto(dtype=dtype.as_datatype_enum)
        getattr(proto, values_field).extend(array.ravel().tolist())
    proto.tensor_shape.CopyFrom(
        TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in array.shape])
    )
    return proto
