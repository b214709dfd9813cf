"""Command `dogbreed compare`: trains variants and plots their curves."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.evaluator.metrics import ACCURACY, METRICS
from foundation.exit_codes import ExitCode
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, DataOption, FreshOption, overrides_of
from pipeline.local.display import duration_in_words

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.local.compare import Result
_OTHERS = [metric for metric in METRICS if metric is not ACCURACY]
_COLUMNS = (
    "variant", ACCURACY.name, "best_accuracy", "best_step", *(metric.name for metric in _OTHERS),
    "training_s", "failure",
)  # fmt: skip


def report_comparison(results: Sequence[Result], picture: Path, console: Console) -> None:
    """Prints every variant, and the paths of plot and figures."""
    from pipeline.local.compare import Failed, Trained

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Variant", overflow="fold")
    others = [metric.column for metric in _OTHERS]
    for heading in (ACCURACY.column, "Best", "At step", *others, "Training"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        if isinstance(result, Failed):
            table.add_row(escape(result.label), "[bold red]failed[/]")
            continue
        table.add_row(
            escape(result.label),
            ACCURACY.written(result.figures[ACCURACY.name]),
            ACCURACY.written(result.best.accuracy),
            f"{result.best.step:,}",
            *(metric.written(result.figures[metric.name]) for metric in _OTHERS),
            duration_in_words(result.training_s),
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
    """Writes the table as CSV beside `picture`, and plots the curves of all trained variants."""
    from pipeline.local.compare import Failed, Trained
    from pipeline.local.curves import draw_curves

    with figures_path(picture).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for result in results:
            if isinstance(result, Failed):
                table.writerow((result.label, *[""] * (len(_COLUMNS) - 2), result.reason))
                continue
            table.writerow(
                (
                    result.label, result.figures[ACCURACY.name], result.best.accuracy,
                    result.best.step, *(result.figures[metric.name] for metric in _OTHERS),
                    result.training_s, "",
                )
            )  # fmt: skip
    curves = {result.label: result.curve for result in results if isinstance(result, Trained)}
    if curves:
        draw_curves(curves, title, picture)


def figures_path(picture: Path) -> Path:
    """Returns the CSV file beside a plot."""
    return picture.with_suffix(".csv")


@app.command()
def compare(
    variants: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="'KEY=VALUE ...'",
            help="One variant: the settings it has to itself, with blanks between them, such as "
            "'trainer.optimizer=sgd trainer.learning_rate=0.1'. Repeat it for every variant; an "
            "empty one is the configuration as it stands.",
        ),
    ],
    common: Annotated[
        list[str] | None,
        typer.Option(
            "--common",
            metavar="KEY=VALUE",
            help="Override one setting for all variants; may be repeated.",
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="The picture of the curves (.png, .svg or .pdf); the figures go beside it as "
            ".csv. Default: comparisons/DATE-TIME below the run's root.",
        ),
    ] = None,
    fresh: FreshOption = False,
) -> None:
    """Train variants on the same data, and draw their accuracy over steps in one picture."""
    from pipeline.local.compare import Failed

    with clear_errors(
        "Run the same command again: variants that have ended are reused.",
        settings_option="--common",
    ):
        from pipeline.local.compare import Failed, read_variants
        from pipeline.local.compare import compare as compare_variants

        overrides = overrides_of(data, config, common or [], fresh=fresh)
        chosen = read_variants(variants, overrides, config, source=data)
        picture = _picture(out, chosen[0].config)
        title = f"{chosen[0].config.name}: {len(chosen)} variants"

        def keep(results: list[Result]) -> None:
            write_comparison(results, title, picture)

        console = Console()
        results = compare_variants(chosen, console, keep)
        report_comparison(results, picture, console)
        if any(isinstance(result, Failed) for result in results):
            raise typer.Exit(ExitCode.FAILED)


_SUFFIXES = (".png", ".svg", ".pdf")


def _picture(out: Path | None, config: Config) -> Path:
    """Returns the path of the plot and makes its folder, so that errors show before training."""
    from foundation.errors import UsageError, UserError

    if out is not None and (out.suffix not in _SUFFIXES or out.is_dir()):
        raise UsageError(f"--out wants a file that ends in {', '.join(_SUFFIXES)}, got '{out}'.")
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    picture = out or config.root_path / "comparisons" / started_at / "comparison.png"
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{picture.parent} cannot be written: {error.strerror}.") from None
    return picture
