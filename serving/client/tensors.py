"""Converts plain Python values to TensorProto messages and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from serving.client.messages_pb2 import TensorProto

_DT_FLOAT = 1
_DT_STRING = 7


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


def _rows(tensor: Any, dtype: int, values: list[Any]) -> list[list[Any]]:
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype != dtype or len(shape) != 2 or not all(shape):
        raise UnexpectedTensorError(f"type {tensor.dtype} and shape {shape}")
    num_values = math.prod(shape)
    if 0 < len(values) < num_values and not tensor.tensor_content:
        # A TensorProto may omit repetitions of its last value.
        values += values[-1:] * (num_values - len(values))
    if len(values) != num_values:
        raise UnexpectedTensorError(f"{len(values)} values for shape {shape}")
    return [values[row * shape[1] : (row + 1) * shape[1]] for row in range(shape[0])]
