"""Turns `KEY=VALUE` into what a package's parameters take."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any

from pipeline.errors import UserError
from pipeline.submit.package import Parameter, SubmittedPackage

_IN_WORDS = {
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list in JSON",
    "STRUCT": "an object in JSON",
}
_JSON_TYPES = {"LIST": list, "STRUCT": dict}
_BOOLEANS = {"true": True, "false": False}


def typed_parameters(package: SubmittedPackage, typed: Sequence[str]) -> dict[str, Any]:
    """Returns the values that a run is given.

    Args:
        package: says which parameters there are, and of which type.
        typed: `KEY=VALUE` each, as typed.

    Raises:
        UserError: a parameter does not exist, is missing, or cannot have that value.
    """
    values: dict[str, Any] = {}
    for assignment in typed:
        name, separator, text = assignment.partition("=")
        if not (name and separator):
            raise UserError(f"--param {assignment} is not KEY=VALUE.")
        if name in values:
            raise UserError(f"--param {name} was given twice.")
        values[name] = _value(_known(package, name), text)
    missing = [
        one.name for one in package.parameters.values() if one.required and one.name not in values
    ]
    if missing:
        raise UserError(f"{package.path} needs a value for {', '.join(missing)}: give --param.")
    return values


def _known(package: SubmittedPackage, name: str) -> Parameter:
    if name in package.parameters:
        return package.parameters[name]
    if not package.parameters:
        raise UserError(f"--param {name}: {package.path} takes no parameters.")
    close = difflib.get_close_matches(name, package.parameters, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UserError(
        f"--param {name}: {package.path} has no such parameter.{hint} "
        f"There are {', '.join(package.parameters)}."
    )


def _value(parameter: Parameter, text: str) -> Any:
    try:
        return _parsed(parameter.kind, text)
    except ValueError:
        wanted = _IN_WORDS[parameter.kind]
        raise UserError(f"--param {parameter.name} must be {wanted}, not '{text}'.") from None


def _parsed(kind: str, text: str) -> Any:
    if kind == "NUMBER_INTEGER":
        return int(text)
    if kind == "NUMBER_DOUBLE":
        return _finite(float(text))
    if kind == "BOOLEAN":
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    if kind in _JSON_TYPES:
        value = json.loads(text)
        if not isinstance(value, _JSON_TYPES[kind]):
            raise ValueError(text)
        return value
    return text


def _finite(number: float) -> float:
    if number - number != 0:  # JSON has neither infinities nor not-a-number
        raise ValueError(number)
    return number
