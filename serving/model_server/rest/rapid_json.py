"""JSON as RapidJSON 1.1 reads it, the parser of TensorFlow Serving: values, error texts, offsets.

The standard library's scanner does the work; where the two differ, what it reports is translated.
Values are `None`, `bool`, `int`, `float`, `str`, `list`, and `json_text.Object`.
"""

from __future__ import annotations

import gc
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.rest.json_text import Object, to_text

_DECODER = json.JSONDecoder(object_pairs_hook=tuple)

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_OTHER_SPELLINGS = re.compile(rf"{_STRING}|-NaN|-?Inf(?!i)", re.DOTALL)
"""Numbers that RapidJSON takes and the standard library does not."""
_PERHAPS_TOO_BIG = re.compile(
    rf"{_STRING}|-?\d+(?:\.\d+)?[eE]\+?\d{{3,}}|-?\d{{290,}}(?:\.\d+)?(?:[eE][-+]?\d+)?",
    re.DOTALL,
)
_LONE_SURROGATE = re.compile(
    r"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_HIGH_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_WHOLE_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")
_NUMBER_BEFORE = re.compile(r"\d(\.\d+)?([eE][-+]?\d+)?\Z")
_BAD_ESCAPE = "Invalid escape character in string."
_NO_QUOTE = "Missing a closing quotation mark in string."
_WORDS = {"t": "true", "f": "false", "n": "null", "N": "NaN", "I": "Infinity"}


@dataclass(frozen=True)
class Document:
    """A parsed request.

    Args:
        root: the object.
        text: what it was read from; bytes that are not UTF-8 are surrogates.
    """

    root: Object
    text: str

    def refuse_overflow(self) -> None:
        """Tells an infinity that was written as such from a number beyond a double's range.

        Raises:
            ServingError: INVALID_ARGUMENT where there is such a number.
        """
        _refuse_overflow(self.text)


def parse(body: bytes) -> Document:
    """Parses a request's body.

    Args:
        body: UTF-8, with or without a byte order mark.

    Raises:
        ServingError: INVALID_ARGUMENT where it is no JSON object; the message has RapidJSON's
            words and the offset in bytes.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    # RapidJSON's streams end at the first zero byte.
    text = body.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    try:
        root = _load(text)
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: Lists or objects are nested too deep.") from error
    _refuse_surrogates(text)
    if type(root) is not tuple:
        raise invalid_argument(f"JSON Value: {to_text(root)} Is not object")
    return Document(root, text)


def _refuse_overflow(text: str) -> None:
    for match in _PERHAPS_TOO_BIG.finditer(text):
        if match[0][0] != '"' and math.isinf(float(match[0])):
            raise _parse_error(text, "Number too big to be stored in double.", match.start())


def _refuse_surrogates(text: str) -> None:
    if ("\\ud" in text or "\\uD" in text) and (match := _LONE_SURROGATE.search(text)):
        raise _parse_error(text, "The surrogate pair in string is invalid.", match.start(1))


def _load(text: str) -> Any:
    # The mark counts in offsets, and white space takes its place without moving them.
    marked = text.startswith("\ufeff")
    text = f" {text[1:]}" if marked else text
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        if (found := _OTHER_SPELLINGS.match(text, error.pos)) and found[0][0] != '"':
            return _load(_OTHER_SPELLINGS.sub(_common_spelling, text))
        message, place = _translate(text, error)
        # What only RapidJSON minds may come before.
        _refuse_surrogates(text[:place])
        _refuse_overflow(text[:place])
        raise _parse_error(f"\ufeff{text[1:]}" if marked else text, message, place) from error
    except ValueError as error:  # more digits than Python turns into an integer
        _refuse_overflow(text)
        raise invalid_argument(
            "JSON Parse error: Number too big to be stored in double."
        ) from error


def _decode(text: str) -> Any:
    # Millions of small lists would set off the collector again and again, for half of the time.
    # The scanner lets no other thread run, so none goes without its collector meanwhile.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _DECODER.decode(text)
    finally:
        if collecting:
            gc.enable()


def _common_spelling(match: re.Match[str]) -> str:
    return {"-NaN": "NaN", "Inf": "Infinity", "-Inf": "-Infinity"}.get(match[0], match[0])


def _parse_error(text: str, message: str, place: int) -> ServingError:
    offset = len(text[:place].encode("utf-8", "surrogateescape"))
    return invalid_argument(f"JSON Parse error: {message} at offset: {offset}")


def _translate(text: str, error: json.JSONDecodeError) -> tuple[str, int]:
    """Says what RapidJSON says of an error, and where it says so."""
    place, said = error.pos, error.msg
    if said.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma
        place = _next_token(text, place + 1)
        said = "Expecting value" if "array" in said else "Expecting property name"
    if said.startswith("Expecting value"):
        if place == len(text) and not text.strip(" \t\n\r"):
            return "The document is empty.", place
        return "Invalid value.", _where_value_fails(text, place)
    if said.startswith("Expecting property name"):
        return "Missing a name for object member.", place
    if said.startswith("Expecting ':'"):
        return "Missing a colon after a name of object member.", place
    if said.startswith("Unterminated string") and (len(text) - len(text.rstrip("\\"))) % 2:
        return _BAD_ESCAPE, len(text) - 1
    if said.startswith("Unterminated string"):
        return _NO_QUOTE, len(text)
    if said.startswith("Invalid \\u"):
        escape = text.rfind("\\", 0, place + 1)
        if _WHOLE_ESCAPE.fullmatch(text, escape):
            return _NO_QUOTE, len(text)
        # The second half of a pair is refused where the first stands.
        paired = _HIGH_ESCAPE.match(text, max(escape - 6, 0), escape)
        return "Incorrect hex digit after \\u escape in string.", escape - (6 if paired else 0)
    if said.startswith(("Invalid \\", "Invalid control character")):
        return _BAD_ESCAPE, place
    return _after_value(text, place, at_root=said == "Extra data")


def _after_value(text: str, place: int, *, at_root: bool) -> tuple[str, int]:
    """Says what is wrong with what follows a value."""
    number = _NUMBER_BEFORE.search(text, max(place - 400, 0), place)
    if number and text[place : place + 1] == "." and not (number[1] or number[2]):
        return "Miss fraction part in number.", place + 1
    if number and text[place : place + 1] in ("e", "E") and not number[2]:
        signed = text[place + 1 : place + 2] in ("+", "-")
        return "Miss exponent in number.", place + 1 + signed
    if at_root:
        return "The document root must not be followed by other values.", place
    try:
        _DECODER.decode(text[:place] + "]")
    except json.JSONDecodeError as error:
        # A bracket that ends no list fails where the text did.
        if error.pos <= place and error.msg.startswith("Expecting ',' delimiter"):
            return "Missing a comma or '}' after an object member.", place
    return "Missing a comma or ']' after an array element.", place


def _where_value_fails(text: str, place: int) -> int:
    """Finds the first character that no literal or number goes on with."""
    negative = text[place : place + 1] == "-"
    place += negative
    word = _WORDS.get(text[place : place + 1], "")
    if negative and word.islower():
        return place
    matching = 0
    while matching < len(word) and text[place + matching : place + matching + 1] == word[matching]:
        matching += 1
    return place + matching


def _next_token(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t", "\n", "\r"):
        place += 1
    return place
