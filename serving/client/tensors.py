"""Converts plain Python values to TensorProto messages and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from serving.client.messages_pb2 import TensorProto

_DT_FLOAT = 1
_DT_STRING = 7
_DT_BOOL = 10


class UnexpectedTensorError(Exception):
    """A tensor has an unexpected type or shape; the message says which."""


def strings_to_tensor(values: Sequence[bytes]) -> Any:
    """Returns a `(len(values),)` string tensor."""
    tensor = TensorProto(dtype=_DT_STRING, string_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def rows_of_strings(tensor: Any) -> list[list[str]]:
    """Returns the rows of a `(batch, k)` string tensor; else raises `UnexpectedTensorError`."""
    values = [value.decode("utf-8", errors="replace") for value in tensor.string_val]
    return _rows(tensor, _DT_STRING, values)


def rows_of_floats(tensor: Any) -> list[list[float]]:
    """Returns the rows of a `(batch, k)` float32 tensor; else raises `UnexpectedTensorError`."""
    content = tensor.tensor_content
    if content and len(content) % 4 == 0:
        values = list(struct.unpack(f"<{len(content) // 4}f", content))
    else:
        values = list(tensor.float_val)
    return _rows(tensor, _DT_FLOAT, values)


def bools(tensor: Any) -> list[bool]:
    """Returns the values of a `(batch,)` bool tensor; else raises `UnexpectedTensorError`."""
    values = [bool(byte) for byte in tensor.tensor_content] or list(tensor.bool_val)
    return _values(tensor, _DT_BOOL, 1, values)[1]


def _rows(tensor: Any, dtype: int, values: list[Any]) -> list[list[Any]]:
    (num_rows, width), values = _values(tensor, dtype, 2, values)
    return [values[row * width : (row + 1) * width] for row in range(num_rows)]


def _values(
    tensor: Any, dtype: int, num_dims: int, values: list[Any]
) -> tuple[list[int], list[Any]]:
    """Returns a tensor's shape and all of its values; raises `UnexpectedTensorError`."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype != dtype or len(shape) != num_dims or not all(shape):
        raise UnexpectedTensorError(f"type {tensor.dtype} and shape {shape}")
    num_values = math.prod(shape)
    if 0 < len(values) < num_values and not tensor.tensor_content:
        # A TensorProto may omit repetitions of its last value.
        values += values[-1:] * (num_values - len(values))
    if len(values) != num_values:
        raise UnexpectedTensorError(f"{len(values)} values for shape {shape}")
    return shape, values
