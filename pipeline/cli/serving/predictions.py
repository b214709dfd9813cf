"""Writes predictions as a table, JSON or CSV while they arrive."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ingestion.catalogue import printable
from serving.client.load import Source
from serving.client.prediction import Certainty, Guess, Prediction

_WIDTH_IN_FILE = 120  # columns beside the images' names, if there is no terminal
_BAR_WIDTH = 12
_BREED_WIDTH = 22
_SHORTEST_FILE, _LONGEST_FILE_SHARE = 4, 0.35
_RESERVED: Mapping[Certainty | None, Text] = {
    "unsure": Text("unsure", "yellow"),
    "unknown": Text("not a dog it knows", "magenta"),
}
"""What stands in place of a breed that is not named without reserve."""


class PredictionWriter(Protocol):
    """Sink of predictions."""

    console: Console

    def write(self, prediction: Prediction) -> None:
        """Writes and flushes one prediction."""
        ...


def writer_for(format_name: str, top: int, sources: Sequence[Source]) -> PredictionWriter:
    """Returns a "table", "json" or "csv" writer to standard output."""
    console = Console()
    if format_name == "json":
        return _JsonWriter(console)
    if format_name == "csv":
        return _CsvWriter(console, top)
    return _TableWriter(console, [printable(source.name) for source in sources])


class _JsonWriter:
    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, prediction: Prediction) -> None:
        entry: dict[str, object] = {"file": printable(prediction.name)}
        if prediction.error is None:
            entry["predictions"] = [
                {"breed": guess.breed, "probability": _rounded(guess)}
                for guess in prediction.guesses
            ]
            entry["certainty"] = prediction.certainty
            entry["model_version"] = prediction.version
            entry["latency_ms"] = round(prediction.latency_ms or 0, 1)
        else:
            entry["error"] = prediction.error
        _print_line(self.console, json.dumps(entry, ensure_ascii=False))


class _CsvWriter:
    """A row for each image, two columns for each class."""

    def __init__(self, console: Console, top: int) -> None:
        self.console = console
        self._top = top
        guesses = [
            f"{name}_{rank}" for rank in range(1, top + 1) for name in ("breed", "probability")
        ]
        self._write_row(["file", *guesses, "certainty", "model_version", "latency_ms", "error"])

    def write(self, prediction: Prediction) -> None:
        cells: list[object] = []
        for guess in prediction.guesses[: self._top]:
            cells += [guess.breed, _rounded(guess)]
        cells += [""] * (2 * self._top - len(cells))
        latency = "" if prediction.latency_ms is None else round(prediction.latency_ms, 1)
        version = "" if prediction.version is None else prediction.version
        name = printable(prediction.name)
        certainty = prediction.certainty or ""
        self._write_row([name, *cells, certainty, version, latency, prediction.error or ""])

    def _write_row(self, cells: Sequence[object]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        _print_line(self.console, line.getvalue())


class _TableWriter:
    """Rows of one table, printed one by one with widths fixed in advance."""

    def __init__(self, console: Console, names: Sequence[str]) -> None:
        self.console = console
        self._name_width = max((_SHORTEST_FILE, *(cell_len(name) for name in names)))
        if console.is_terminal:
            widest = int(console.width * _LONGEST_FILE_SHARE)
            self._name_width = min(self._name_width, widest)
        else:
            console.width = self._name_width + _WIDTH_IN_FILE
        self._is_empty = True

    def write(self, prediction: Prediction) -> None:
        if self._is_empty:
            heading = self._row("File", "Breed", "", "", "Then")
            heading.style = "bold"
            self.console.print(heading)
            self._is_empty = False
        name = Text(printable(prediction.name), overflow="fold")
        if prediction.error is not None:
            row = Table.grid(padding=(0, 2))
            row.add_column(width=self._name_width)
            row.add_column()
            row.add_row(name, Text(prediction.error, "red"))
        elif prediction.certainty in _RESERVED:
            reserved = _RESERVED[prediction.certainty]
            row = self._row(name, reserved, "", "", _listed(prediction.guesses))
        else:
            best, *others = prediction.guesses
            row = self._row(
                name,
                Text(best.breed, "bold"),
                Bar(1.0, 0.0, best.probability, width=_BAR_WIDTH, color="green"),
                f"{best.probability:.1%}",
                _listed(others),
            )
        self.console.print(row)

    def _row(self, *cells: RenderableType) -> Table:
        row = Table.grid(padding=(0, 2))
        row.add_column(width=self._name_width)
        row.add_column(width=min(_BREED_WIDTH, self.console.width // 4), overflow="fold")
        row.add_column(width=_BAR_WIDTH)
        row.add_column(width=6, justify="right")
        row.add_column(overflow="fold")
        row.add_row(*cells)
        return row


def _listed(guesses: Sequence[Guess]) -> Text:
    return Text(", ".join(f"{guess.breed} {guess.probability:.1%}" for guess in guesses), "dim")


def _print_line(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)


def _rounded(guess: Guess) -> float:
    """Rounds a probability to the digits of a float32."""
    return float(f"{guess.probability:.7g}")
