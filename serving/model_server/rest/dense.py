"""Tensors from nested JSON lists.

Regular lists are read a level at a time in C. Whatever that cannot take is walked value by value
in the order of TensorFlow Serving's `FillTensorProto`, which finds its first mistake and its words.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.rest.json_text import as_double, encode, is_double, to_text, type_name

_FLOATS: dict[int, Any] = {types_pb2.DT_FLOAT: np.float32, types_pb2.DT_DOUBLE: np.float64}
_INT32_RANGE = (-(2**31), 2**31 - 1)
_INTEGERS = {
    types_pb2.DT_INT32: (np.int32, _INT32_RANGE),
    # TensorFlow Serving keeps these three in 32 bits and cuts them off later.
    types_pb2.DT_INT16: (np.int16, _INT32_RANGE),
    types_pb2.DT_INT8: (np.int8, _INT32_RANGE),
    types_pb2.DT_UINT8: (np.uint8, _INT32_RANGE),
    types_pb2.DT_INT64: (np.int64, (-(2**63), 2**63 - 1)),
    types_pb2.DT_UINT32: (np.uint32, (0, 2**32 - 1)),
    types_pb2.DT_UINT64: (np.uint64, (0, 2**64 - 1)),
}
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_ASCII_SPACE = re.compile(rb"[ \t-\r]+")


def dtype_name(dtype: int) -> str:
    """Names a type as TensorFlow's C++ does: `float`, `int32`, `string`."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def is_base64(value: Any) -> bool:
    """Tells whether a value is bytes: an object with nothing but a string `b64`."""
    if type(value) is not tuple or len(value) != 1:
        return False
    return value[0][0] == "b64" and type(value[0][1]) is str


def decode_base64(value: Any) -> bytes:
    """Decodes such an object; padding may be left out and white space is passed over.

    Raises:
        ServingError: INVALID_ARGUMENT where it is none or its string is not Base64.
    """
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {to_text(value)} not formatted correctly for base64 data"
        )
    text = _ASCII_SPACE.sub(b"", encode(value[0][1]))
    if not text.endswith(b"="):
        text += b"=" * (-len(text) % 4)
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise invalid_argument("Unable to base64 decode")
    return binascii.a2b_base64(text)


def dense_shape(value: Any) -> list[int]:
    """Reads the shape off the first element of each list."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def flatten(value: Any) -> tuple[list[int], list[Any]] | None:
    """Reads regular nested lists.

    Returns:
        Shape and values in C order; None where lists are of unequal length or depth.
    """
    shape: list[int] = []
    level = [value]
    while level:
        kinds = set(map(type, level))
        if list not in kinds:
            break
        lengths = set(map(len, level)) if len(kinds) == 1 else set()
        if len(lengths) != 1:
            return None
        shape.append(lengths.pop())
        level = list(chain.from_iterable(level))
    return shape, level


def walk(value: Any, shape: Sequence[int], dtype: int, level: int = 0) -> Iterator[Any]:
    """Yields the values of nested lists, each checked.

    Args:
        value: lists that should have this shape.
        shape: from `dense_shape`.
        dtype: of the tensor.
        level: how deep `value` is.

    Raises:
        ServingError: the first mistake; UNIMPLEMENTED for a type that JSON has no values for,
            else INVALID_ARGUMENT.
    """
    rank = len(shape)
    if type(value) is not list:
        if level != rank:
            raise invalid_argument(
                f"JSON Value: {to_text(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {rank}"
            )
        yield _checked(value, dtype)
        return
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        yield from walk(item, shape, dtype, level + 1)


def pack(values: list[Any], shape: Sequence[int], dtype: int) -> TensorProto | None:
    """Makes a tensor of values.

    Args:
        values: as JSON has them, in C order.
        shape: of the tensor.
        dtype: of the tensor.

    Returns:
        The tensor; None where some value is not of its type.
    """
    proto = TensorProto(
        dtype=dtype,
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape]),
    )
    if not values:
        return proto
    if dtype == types_pb2.DT_STRING:
        texts = _bytes(values)
        if texts is None:
            return None
        proto.string_val.extend(texts)
        return proto
    array = _array(values, dtype)
    if array is None:
        return None
    proto.tensor_content = array.tobytes()
    return proto


def has_infinity(proto: TensorProto) -> bool:
    """Tells whether a packed tensor holds one."""
    if proto.dtype not in _FLOATS:
        return False
    return bool(np.isinf(np.frombuffer(proto.tensor_content, _FLOATS[proto.dtype])).any())


def _bytes(values: list[Any]) -> list[bytes] | None:
    if not set(map(type, values)) <= {str, bytes, tuple}:
        return None
    try:
        return [
            encode(value)
            if type(value) is str
            else (value if type(value) is bytes else decode_base64(value))
            for value in values
        ]
    except ServingError:
        return None


def _array(values: list[Any], dtype: int) -> NDArray[Any] | None:
    kinds = set(map(type, values))
    try:
        if dtype in _INTEGERS and kinds == {int}:
            final, (lowest, highest) = _INTEGERS[dtype]
            wide = np.array(values, np.uint64 if dtype == types_pb2.DT_UINT64 else np.int64)
            fits = wide.min() >= lowest and wide.max() <= highest
            return wide.astype(final) if fits else None
        if dtype in _FLOATS and kinds <= {int, float}:
            return _float_array(values, kinds, _FLOATS[dtype])
    except OverflowError:  # beyond 64 bits
        return None
    if dtype == types_pb2.DT_BOOL and kinds == {bool}:
        return np.array(values, np.bool_)
    return None


def _float_array(values: list[Any], kinds: set[type], final: Any) -> NDArray[Any] | None:
    wide: NDArray[Any]
    if kinds == {int}:
        wide = np.array(values, np.int64)
        return wide.astype(final) if np.abs(wide).max() <= _largest_integer(final) else None
    if int in kinds:
        integers = [value for value in values if type(value) is int]
        if max(max(integers), -min(integers)) > _largest_integer(final):
            return None
    wide = np.array(values, np.float64)
    beyond = np.isfinite(wide) & (np.abs(wide) > np.finfo(final).max)
    return None if beyond.any() else wide.astype(final)


def _largest_integer(final: Any) -> int:
    """Largest number up to which every integer has a floating-point number of its own."""
    return 2 ** (np.finfo(final).nmant + 1) - 1


def _checked(value: Any, dtype: int) -> Any:
    """Returns a value as `pack` takes it."""
    if type(value) is tuple:
        if dtype == types_pb2.DT_STRING:
            return decode_base64(value)
        raise _type_error(value, dtype)
    if dtype in _FLOATS:
        return _checked_number(value, dtype)
    if dtype in _INTEGERS:
        _, (lowest, highest) = _INTEGERS[dtype]
        fits = type(value) is int and lowest <= value <= highest
    elif dtype in (types_pb2.DT_STRING, types_pb2.DT_BOOL):
        fits = type(value) is (str if dtype == types_pb2.DT_STRING else bool)
    else:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {to_text(value)} to type: {dtype_name(dtype)}",
        )
    if not fits:
        raise _type_error(value, dtype)
    return value


def _checked_number(value: Any, dtype: int) -> float:
    if type(value) not in (int, float):
        raise _type_error(value, dtype)
    final = _FLOATS[dtype]
    if is_double(value):
        value = as_double(value)
        lossless = not np.isfinite(value) or abs(value) <= float(np.finfo(final).max)
    else:
        lossless = abs(value) <= _largest_integer(final)
    if not lossless:
        raise lossy_error(value, dtype_name(dtype))
    return value


def lossy_error(value: Any, target: str) -> ServingError:
    """Returns the error of a number that a floating-point type cannot hold."""
    return invalid_argument(
        f"Cannot convert JSON value: {to_text(value)} to {target} without loss of precision."
    )


def _type_error(value: Any, dtype: int) -> ServingError:
    return invalid_argument(
        f"JSON Value: {to_text(value)} Type: {type_name(value)} is not of expected type: "
        f"{dtype_name(dtype)}"
    )
