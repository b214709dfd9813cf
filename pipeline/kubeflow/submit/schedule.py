"""Checks cron expressions, and spells them as Kubeflow reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from foundation.errors import UserError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class _Field:
    """What one place of an expression may hold."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()  # stand for `first` and the numbers after it
    may_be_unset: bool = False  # "?", where the other kind of day decides


_SECOND = _Field("second", 0, 59)
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, may_be_unset=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS, may_be_unset=True),
)
_EXAMPLE = '"0 2 * * *" is every night at two'


def kubeflow_cron(expression: str) -> str:
    """Returns an expression as Kubeflow wants it: with six fields, seconds first.

    Kubeflow reads the usual five as seconds to months, which it does not refuse: "0 2 * * *" would
    start a run every hour, two minutes past.

    Args:
        expression: five fields as in crontab, or six with seconds first.

    Raises:
        UserError: it is neither.
    """
    fields = expression.split()
    if len(fields) == len(_FIELDS):
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS) + 1:
        raise UserError(
            f"--cron '{expression}' has {len(fields)} fields; there must be five (minute, hour, "
            f"day of the month, month, day of the week), or six with seconds first: {_EXAMPLE}."
        )
    for text, field in zip(fields, (_SECOND, *_FIELDS), strict=True):
        _check(text, field, expression)
    return " ".join(fields)


def _check(text: str, field: _Field, expression: str) -> None:
    for part in text.split(","):
        if not _fits(part, field):
            raise UserError(
                f"--cron '{expression}': the {field.name} cannot be '{part}'. It goes from "
                f"{field.first} to {field.last}, as a number, a range (1-5), a list (1,3) or a "
                f"step (*/2); {_EXAMPLE}."
            )


def _fits(part: str, field: _Field) -> bool:
    if part == "?":
        return field.may_be_unset
    matched = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
    if matched is None:
        return False
    whole, start, end, step = matched.groups()
    if step is not None and int(step) == 0:
        return False
    if whole == "*":
        return True
    first = _number(start, field)
    last = first if end is None else _number(end, field)
    return first is not None and last is not None and first <= last


def _number(text: str, field: _Field) -> int | None:
    """Returns what a number or a name stands for, or None where it is out of place."""
    if text.lower() in field.names:
        return field.first + field.names.index(text.lower())
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if field.first <= int(text) <= field.last else None
