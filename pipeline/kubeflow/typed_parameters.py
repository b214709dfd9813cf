"""Turns `KEY=VALUE` into what a pipeline's parameters take, for a run or a rehearsal."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from foundation.errors import UserError
from pipeline.kubeflow.package import Package

_IN_WORDS = {
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list in JSON",
    "STRUCT": "an object in JSON",
}
_JSON_TYPES = {"LIST": list, "STRUCT": dict}
_BOOLEANS = {"true": True, "false": False}


def typed_parameters(package: Package, typed: Sequence[str]) -> dict[str, Any]:
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
        values[name] = _value(name, _known(package, name), text)
    missing = [
        name
        for name, spec in sorted(package.parameters.items())
        if not (name in values or "defaultValue" in spec or spec.get("isOptional"))
    ]
    if missing:
        raise UserError(
            f"The pipeline {package.name} needs a value for {', '.join(missing)}: give --param."
        )
    return values


def _known(package: Package, name: str) -> Mapping[str, Any]:
    if name in package.parameters:
        return package.parameters[name]
    if not package.parameters:
        raise UserError(f"--param {name}: the pipeline {package.name} takes no parameters.")
    close = difflib.get_close_matches(name, package.parameters, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UserError(
        f"--param {name}: the pipeline {package.name} has no such parameter.{hint} "
        f"There are {', '.join(sorted(package.parameters))}; other settings are compiled in."
    )


def _value(name: str, spec: Mapping[str, Any], text: str) -> Any:
    kind = str(spec.get("parameterType", "STRING"))
    try:
        return _parsed(kind, text)
    except ValueError:
        raise UserError(f"--param {name} must be {_IN_WORDS[kind]}, not '{text}'.") from None


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
