"""JSON as RapidJSON's pretty writer lays it out: four spaces, one value a line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Object: TypeAlias = "tuple[tuple[str, Any], ...]"
"""A JSON object: its members in their order; of two with one name, the first counts."""

INDENT = "    "

_ESCAPES = {
    **{code: f"\\u{code:04X}" for code in range(0x20)},
    **{ord(c): "\\" + e for c, e in zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True)},
}

_MAX_QUOTED = 64 * 1024
"""How much of a value an error message repeats, in characters."""

_FLOAT_RANGE = 3.4028234e38


class _UnwritableError(Exception):
    """RapidJSON stops writing at a number that is not finite."""


def quote(text: str) -> str:
    """Writes a string."""
    return f'"{text.translate(_ESCAPES)}"'


def encode(text: str) -> bytes:
    """Turns a string of a request, or an answer with one, into the bytes it came from."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, which RapidJSON lets through
        return text.encode("utf-8", "surrogatepass")


def error_body(message: str) -> bytes:
    """Writes the answer to a call that failed."""
    return encode(f'{{\n{INDENT}"error": {quote(message)}\n}}')


def type_name(value: Any) -> str:
    """Names a value's JSON type as TensorFlow Serving's messages do."""
    if value is None or isinstance(value, bool):
        return "Null" if value is None else str(value)
    names: dict[type, str] = {tuple: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def decimals(values: NDArray[Any]) -> list[str]:
    """Writes numbers with six digits, or as many as it takes to read the same number again.

    Args:
        values: float32 or float64, of any shape.

    Returns:
        One text for each, in C order; a whole number ends in `.0`.
    """
    flat = values.ravel()
    texts = _formatted("%g ", flat)
    finite = np.isfinite(flat)
    again = np.array([float(text) for text in texts], dtype=flat.dtype)
    inexact = np.flatnonzero((again != flat) & finite)
    precise = "%.9g " if flat.dtype == np.float32 else "%.17g "
    for place, text in zip(inexact.tolist(), _formatted(precise, flat[inexact]), strict=True):
        texts[place] = text
    texts = [text if "." in text or "e" in text else f"{text}.0" for text in texts]
    for place in np.flatnonzero(~finite).tolist():
        texts[place] = _not_finite(float(flat[place]))
    return texts


def _formatted(form: str, flat: NDArray[Any]) -> list[str]:
    return (form * flat.size % tuple(flat.tolist())).split()


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def to_text(value: Any) -> str:
    """Writes a value of a request for an error message; one that is very long is cut off."""
    if is_double(value):
        value = as_double(value)
        small = -_FLOAT_RANGE <= value <= _FLOAT_RANGE
        return decimals(np.array([value], np.float32 if small else np.float64))[0]
    pieces, length = [], 0
    try:
        for piece in _pieces(value, 0):
            pieces.append(piece)
            length += len(piece)
            if length > _MAX_QUOTED:
                pieces = ["".join(pieces)[:_MAX_QUOTED], "..."]
                break
    except _UnwritableError:
        pass
    return "".join(pieces)


def as_double(value: float) -> float:
    """Turns a number into a double; an integer beyond its range becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_double(value: Any) -> bool:
    """Tells whether RapidJSON keeps a number as a double: a decimal, or beyond 64 bits."""
    if type(value) is int:
        return not -(2**63) <= value < 2**64
    return type(value) is float


def _pieces(value: Any, depth: int) -> Iterator[str]:
    if type(value) in (list, tuple):
        opening, closing = "[]" if type(value) is list else "{}"
        yield opening
        for place, item in enumerate(value):
            yield (",\n" if place else "\n") + INDENT * (depth + 1)
            if type(value) is tuple:
                yield f"{quote(item[0])}: "
                item = item[1]
            yield from _pieces(item, depth + 1)
        yield f"\n{INDENT * depth}{closing}" if value else closing
    elif type(value) is str:
        yield quote(value)
    elif is_double(value):
        yield _shortest(as_double(value))
    else:
        yield str(value) if type(value) is int else {None: "null", True: "true"}.get(value, "false")


def _shortest(value: float) -> str:
    """Writes a double with the fewest digits, in RapidJSON's layout."""
    if not math.isfinite(value):
        raise _UnwritableError
    sign, digit_values, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digit_values)).lstrip("0")
    whole = digits.rstrip("0")
    exponent = int(exponent) + len(digits) - len(whole)
    before_point = len(whole) + exponent
    if not whole:
        text = "0.0"
    elif exponent >= 0 and before_point <= 21:
        text = f"{whole}{'0' * exponent}.0"
    elif 0 < before_point <= 21:
        text = f"{whole[:before_point]}.{whole[before_point:]}"
    elif -6 < before_point <= 0:
        text = f"0.{'0' * -before_point}{whole}"
    else:
        fraction = f".{whole[1:]}" if len(whole) > 1 else ""
        text = f"{whole[0]}{fraction}e{before_point - 1}"
    return f"-{text}" if sign else text


def members(value: Object) -> dict[str, Any]:
    """Returns an object's members by name."""
    return dict(reversed(value))
