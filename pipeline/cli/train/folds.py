"""Tells what a cross-validation came to: a line a fold, a table at the end, and a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.local.cross_validate import FoldResult, Spread, spread
from pipeline.local.display import duration_in_words

_MEAN, _DEVIATION = "mean", "standard deviation"
_COLUMNS = (
    "fold", "accuracy", "top_5_accuracy", "loss", "num_train_examples", "num_eval_examples",
    "training_s", "bounds_kept",
)  # fmt: skip


def report_fold(result: FoldResult, console: Console) -> None:
    """Prints one fold, as soon as it has ended."""
    console.print(
        f"fold-{result.fold}: accuracy {result.accuracy:.3f}, top-5 {result.top_5_accuracy:.3f}, "
        f"loss {result.loss:.3f} on {result.num_eval_examples:,} eval pictures, after "
        f"{duration_in_words(result.training_s)} of training on {result.num_train_examples:,}"
        f"{' (reused)' if result.reused else ''}",
        highlight=False,
        soft_wrap=True,
    )
    for miss in result.misses:
        console.print(f"  {miss}", highlight=False, soft_wrap=True, markup=False)


def report_folds(results: Sequence[FoldResult], path: Path, console: Console) -> None:
    """Prints all folds, their mean and spread, and where the figures are kept."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Eval split", no_wrap=True)
    for heading in ("Accuracy", "Top-5", "Loss", "Train pictures", "Eval pictures", "Training"):
        table.add_column(heading, justify="right")
    table.add_column("Bounds")
    for result in results:
        table.add_row(
            f"fold-{result.fold}",
            *_figures(result.accuracy, result.top_5_accuracy, result.loss),
            f"{result.num_train_examples:,}",
            f"{result.num_eval_examples:,}",
            duration_in_words(result.training_s),
            "missed" if result.misses else "kept",
        )
    accuracy, top_5, loss, training_s = _spreads(results)
    table.add_section()
    table.add_row(
        "Mean",
        *_figures(accuracy.mean, top_5.mean, loss.mean),
        "",
        "",
        duration_in_words(training_s.mean),
    )
    table.add_row(
        "Standard deviation", *_figures(accuracy.deviation, top_5.deviation, loss.deviation)
    )
    console.print()
    console.print(table, highlight=False)
    console.print(
        f"\n[bold]Accuracy {accuracy.mean:.3f} ± {accuracy.deviation:.3f}[/] over {len(results)} "
        "folds (mean and sample standard deviation).\n"
        "Nothing was pushed: each model has seen only a part of the pictures.",
        highlight=False,
    )
    line = f"  figures  {path}"
    console.print(line, style="dim", highlight=False, soft_wrap=True, markup=False)


def write_folds(results: Sequence[FoldResult], path: Path) -> None:
    """Writes one row a fold; from two folds on, mean and sample standard deviation below them."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for result in results:
            table.writerow(
                (
                    result.fold, result.accuracy, result.top_5_accuracy, result.loss,
                    result.num_train_examples, result.num_eval_examples, result.training_s,
                    str(not result.misses).lower(),
                )
            )  # fmt: skip
        if len(results) > 1:
            accuracy, top_5, loss, training_s = _spreads(results)
            table.writerow(
                (_MEAN, accuracy.mean, top_5.mean, loss.mean, "", "", training_s.mean, "")
            )
            deviations = (accuracy.deviation, top_5.deviation, loss.deviation)
            table.writerow((_DEVIATION, *deviations, "", "", training_s.deviation, ""))
    partial.replace(path)


def _spreads(results: Sequence[FoldResult]) -> tuple[Spread, Spread, Spread, Spread]:
    return (
        spread([result.accuracy for result in results]),
        spread([result.top_5_accuracy for result in results]),
        spread([result.loss for result in results]),
        spread([result.training_s for result in results]),
    )


def _figures(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)
