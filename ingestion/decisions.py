"""Reads and writes the table of what people decided about single images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from foundation.errors import DatasetError

FILE_COLUMN = "file"
DECISION_COLUMN = "decision"

Action = Literal["keep", "drop", "relabel", "new"]
"""`relabel` moves an image to a breed that the source has, `new` to one that it lacks."""


class Decision(NamedTuple):
    """What is to become of one image."""

    action: Action
    breed: str
    """The breed of `relabel` and `new`, else empty."""
    line: int = 0
    """Where it stands in its file."""

    def __str__(self) -> str:
        return f"{self.action}:{self.breed}" if self.breed else self.action


def read_decisions(path: Path) -> dict[str, Decision]:
    """Reads a CSV file of decisions by name of the image's file; rows without one are skipped.

    Raises:
        DatasetError: the file cannot be read, lacks a column, names an image twice, or holds
            something else than a decision.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"The decisions {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"The decisions {path} are no text in UTF-8.") from None
    header = text.partition("\n")[0]
    # Spreadsheets write semicolons where the comma is a decimal sign.
    delimiter = ";" if ";" in header and "," not in header else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    decisions: dict[str, Decision] = {}
    lines: dict[str, int] = {}
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        for column in (FILE_COLUMN, DECISION_COLUMN):
            if column not in names:
                raise DatasetError(
                    f"{path}, line 1: there is no column {column!r} among {', '.join(names)}."
                )
        file_place, decision_place = names.index(FILE_COLUMN), names.index(DECISION_COLUMN)
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            if not any(row):
                continue
            if len(row) <= max(file_place, decision_place):
                raise DatasetError(f"{where}: {len(row)} columns, the first line has {len(names)}.")
            file_name = row[file_place]
            if file_name in lines:
                raise DatasetError(
                    f"{where}: {file_name!r} stands in line {lines[file_name]} already; keep one."
                )
            lines[file_name] = rows.line_num
            if written := row[decision_place].strip():
                decisions[file_name] = _parse(written, where, rows.line_num)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: not a CSV table ({error}).") from None
    return decisions


def _parse(written: str, where: str, line: int) -> Decision:
    action, _, breed = (part.strip() for part in written.partition(":"))
    action = action.lower()
    needs_breed = action in ("relabel", "new")
    if action not in get_args(Action) or needs_breed != bool(breed):
        raise DatasetError(
            f"{where}: {written!r} is no decision; write keep, drop, relabel:BREED, new:BREED for "
            "a breed that is not there yet, or nothing."
        )
    return Decision(cast(Action, action), breed, line)


def write_decisions(path: Path, decisions: Mapping[str, Decision]) -> None:
    """Writes decisions as `read_decisions` reads them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((FILE_COLUMN, DECISION_COLUMN))
        table.writerows((name, str(decision)) for name, decision in decisions.items())
