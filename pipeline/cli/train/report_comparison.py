"""Tells what a comparison came to: a table, a picture and a file of figures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.local.compare import Failed, Result, Trained
from pipeline.local.curves import draw_curves
from pipeline.local.durations import in_words

_COLUMNS = (
    "variant", "accuracy", "best_accuracy", "best_step", "top_5_accuracy", "loss", "training_s",
    "failure",
)  # fmt: skip


def report_comparison(results: Sequence[Result], picture: Path, console: Console) -> None:
    """Prints every variant, and where picture and figures are."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Variant", overflow="fold")
    for heading in ("Accuracy", "Best", "At step", "Top-5", "Loss", "Training"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        if isinstance(result, Failed):
            table.add_row(escape(result.label), "[bold red]failed[/]")
            continue
        table.add_row(
            escape(result.label),
            f"{result.accuracy:.3f}",
            f"{result.best.val_accuracy:.3f}",
            f"{result.best.step:,}",
            f"{result.top_5_accuracy:.3f}",
            f"{result.loss:.3f}",
            in_words(result.training_s),
        )
    console.print()
    console.print(table, highlight=False)
    console.print()
    for result in results:
        if isinstance(result, Failed):
            console.print(
                f"[bold red]Failed:[/] {escape(f'{result.label}: {result.reason}')}",
                highlight=False,
                soft_wrap=True,
            )
    console.print("Nothing was pushed.")
    places = {"figures": figures_path(picture)}
    if any(isinstance(result, Trained) for result in results):
        places["curves"] = picture
    for what, path in places.items():
        line = f"  {what:<8} {escape(str(path))}"
        console.print(line, style="dim", highlight=False, soft_wrap=True)


def write_comparison(results: Sequence[Result], title: str, picture: Path) -> None:
    """Writes the table as CSV, and the curves of all variants that were trained.

    Args:
        results: the variants so far.
        title: what the picture is called.
        picture: the picture; the table goes beside it.
    """
    with figures_path(picture).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for result in results:
            if isinstance(result, Failed):
                table.writerow((result.label, "", "", "", "", "", "", result.reason))
                continue
            table.writerow(
                (
                    result.label, result.accuracy, result.best.val_accuracy, result.best.step,
                    result.top_5_accuracy, result.loss, result.training_s, "",
                )
            )  # fmt: skip
    curves = {result.label: result.history for result in results if isinstance(result, Trained)}
    if curves:
        draw_curves(curves, title, picture)


def figures_path(picture: Path) -> Path:
    """Returns the file of figures beside a picture."""
    return picture.with_suffix(".csv")
