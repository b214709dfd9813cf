"""Prints a cross-validation: a line a fold, then a table; also writes it as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.evaluator.metrics import ACCURACY, METRICS, Figures
from pipeline.local.cross_validate import FoldResult, Spread, spread
from pipeline.local.display import duration_in_words

_MEAN, _DEVIATION = "mean", "standard deviation"
_COLUMNS = (
    "fold", *(metric.name for metric in METRICS), "num_train_examples", "num_eval_examples",
    "training_s", "bounds_kept",
)  # fmt: skip


def report_fold(result: FoldResult, console: Console) -> None:
    """Prints the result of one fold."""
    figures = ", ".join(
        f"{metric.column.lower()} {metric.written(result.figures[metric.name])}"
        for metric in METRICS
    )
    console.print(
        f"fold-{result.fold}: {figures} on {result.num_eval_examples:,} eval pictures, after "
        f"{duration_in_words(result.training_s)} of training on {result.num_train_examples:,}"
        f"{' (reused)' if result.reused else ''}",
        highlight=False,
        soft_wrap=True,
    )
    for miss in result.missed_bounds:
        console.print(f"  {miss}", highlight=False, soft_wrap=True, markup=False)


def report_folds(results: Sequence[FoldResult], path: Path, console: Console) -> None:
    """Prints all folds, their mean and spread, and the path of the file."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Eval split", no_wrap=True)
    headings = [metric.column for metric in METRICS]
    for heading in (*headings, "Train pictures", "Eval pictures", "Training"):
        table.add_column(heading, justify="right")
    table.add_column("Bounds")
    for result in results:
        table.add_row(
            f"fold-{result.fold}",
            *_figures(result.figures),
            f"{result.num_train_examples:,}",
            f"{result.num_eval_examples:,}",
            duration_in_words(result.training_s),
            "missed" if result.missed_bounds else "kept",
        )
    means, deviations, training_s = _spreads(results)
    table.add_section()
    table.add_row("Mean", *_figures(means), "", "", duration_in_words(training_s.mean))
    table.add_row("Standard deviation", *_figures(deviations))
    console.print()
    console.print(table, highlight=False)
    mean, deviation = (ACCURACY.written(each[ACCURACY.name]) for each in (means, deviations))
    console.print(
        f"\n[bold]Accuracy {mean} ± {deviation}[/] over {len(results)} "
        "folds (mean and sample standard deviation).\n"
        "Nothing was pushed: each model has seen only a part of the pictures.",
        highlight=False,
    )
    line = f"  figures  {path}"
    console.print(line, style="dim", highlight=False, soft_wrap=True, markup=False)


def write_folds(results: Sequence[FoldResult], path: Path) -> None:
    """Writes a row for each fold; from two folds on, also mean and sample standard deviation."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for result in results:
            table.writerow(
                (
                    result.fold, *(result.figures[metric.name] for metric in METRICS),
                    result.num_train_examples, result.num_eval_examples, result.training_s,
                    str(not result.missed_bounds).lower(),
                )
            )  # fmt: skip
        if len(results) > 1:
            means, deviations, training_s = _spreads(results)
            table.writerow((_MEAN, *means.values(), "", "", training_s.mean, ""))
            table.writerow((_DEVIATION, *deviations.values(), "", "", training_s.deviation, ""))
    partial.replace(path)


def _spreads(results: Sequence[FoldResult]) -> tuple[Figures, Figures, Spread]:
    """Returns the metrics' means and deviations, and the spread of the training seconds."""
    spreads = {
        metric.name: spread([result.figures[metric.name] for result in results])
        for metric in METRICS
    }
    return (
        {name: each.mean for name, each in spreads.items()},
        {name: each.deviation for name, each in spreads.items()},
        spread([result.training_s for result in results]),
    )


def _figures(figures: Figures) -> tuple[str, ...]:
    return tuple(metric.written(figures[metric.name]) for metric in METRICS)
