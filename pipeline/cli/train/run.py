"""Command `dogbreed run`: runs the pipeline, or cross-validates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.metrics import ACCURACY, METRICS
from foundation.errors import UsageError
from foundation.exit_codes import ExitCode
from foundation.versions import newest_version, read_rollback
from ingestion.options import flag_of
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import (
    ConfigOption,
    DataOption,
    FreshOption,
    convert_option,
    names_in,
    overrides_of,
)
from pipeline.cli.next_steps import as_typed, say_next
from pipeline.local.observer import NodeStatus

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.history.outcome import Outcome
    from pipeline.local.cross_validate import FoldResult
    from pipeline.local.run_pipeline import FinishedRun


def figures_table(outcome: Outcome, bounds: Mapping[str, Any]) -> Table:
    """Builds a table with a row for each metric and the Evaluator's bound, if known."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for metric in METRICS:
        bound = bounds.get(metric.bound) if metric.bound is not None else None
        notes = [] if bound is None else [f"at least {metric.written(bound)}"]
        if metric is ACCURACY:
            notes.append(f"on {outcome.num_eval_examples:,} eval pictures")
        table.add_row(metric.title, metric.written(outcome.figures[metric.name]), ", ".join(notes))
        if metric is ACCURACY:
            majority = outcome.majority
            naming = Text(f"of naming {majority.breed}, the most frequent, for every picture")
            table.add_row("  majority class", metric.written(majority.accuracy), naming)
    return table


def although(outcome: Outcome) -> str:
    """Says that a blessed model missed bounds which are only reported; else returns nothing."""
    count = len(outcome.missed_bounds)
    if not count:
        return ""
    return f", although {'a bound was' if count == 1 else f'{count} bounds were'} missed"


def say_misses(outcome: Outcome, console: Console) -> None:
    """Prints each missed bound, and what to do about a refused model."""
    from components.evaluator.results.bounds import REPORT_ONLY

    lines = [f"  {miss}" for miss in outcome.missed_bounds]
    if outcome.blessed and lines:
        lines.append(f"  {REPORT_ONLY}")
    if outcome.next_steps:
        lines += ["What to do next:", *(f"  {step}" for step in outcome.next_steps)]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def report_run(config: Config, finished: FinishedRun, console: Console) -> None:
    """Prints nodes, metrics with bounds, verdict and next steps."""
    from trainer.tuning.values import searched_values, values_in_words

    outcome = finished.outcome
    console.print(finished.display.table())
    if set(finished.display.nodes.values()) == {NodeStatus.REUSED}:
        console.print("\nNothing has changed since the last run: every result was reused.")

    figures = figures_table(outcome, config.evaluator.model_dump())
    baseline = outcome.baseline.get(ACCURACY.name)
    if not config.pusher.enabled:
        figures.add_row("Served model", "", "not compared with, because nothing is to be pushed")
    elif baseline is None:
        figures.add_row("Served model", "none", "nothing of the same breeds to compare with yet")
    else:
        figures.add_row(
            "Served model",
            ACCURACY.written(baseline),
            f"may be at most {ACCURACY.written(config.evaluator.max_accuracy_drop)} better",
        )
    canary = outcome.canary
    if canary is not None and canary.latency is not None:
        figures.add_row(
            "Latency",
            f"{canary.latency.value:,.1f} ms",
            f"at most {config.canary.max_latency_ms:,g} ms, for 99 of 100 single pictures",
        )
    if config.tuner is not None and outcome.best_trial is not None:
        best = outcome.best_trial
        values = values_in_words(searched_values(config.trainer, best.hyperparameters))
        figures.add_row(
            "Best trial",
            f"{best.score:.3f}",
            f"eval {config.tuner.objective}, the best of {best.num_trials} with {values}",
        )
    console.print()
    console.print(figures)
    console.print()
    if outcome.pushed_path:
        if outcome.pushed_before:
            console.print(
                f"[bold green]Blessed, pushed already[/] as version {outcome.pushed_path.name}"
                f"{although(outcome)}: nothing was pushed again."
            )
        else:
            console.print(f"[bold green]Blessed and pushed[/]{although(outcome)}")
        console.print(f"  version  {outcome.pushed_path.name}")
        console.print(f"  path     {outcome.pushed_path}", soft_wrap=True, markup=False)
        _report_served(outcome.pushed_path, console)
    elif outcome.blessed:
        because = "not pushed, because pusher.enabled is false"
        console.print(f"[bold green]Blessed[/], {because}{although(outcome) or '.'}")
    else:
        console.print("[bold red]Not blessed, not pushed[/]: what was served before stays.")
    say_misses(outcome, console)
    if canary is not None and canary.misses:
        console.print(f"  server   {canary.log_path}", style="dim", soft_wrap=True)
    if finished.report_path is not None:
        console.print(f"  report   {finished.report_path}", soft_wrap=True, markup=False)
    console.print(f"  log      {finished.log_path}", style="dim", soft_wrap=True, markup=False)
    console.print()
    say_next(console, *_next_commands(config, finished))


def _next_commands(config: Config, finished: FinishedRun) -> Iterator[str]:
    outcome = finished.outcome
    if outcome.pushed_path:
        yield as_typed("serve", f"--model_base_path={outcome.pushed_path.parent}")
    if finished.report_path is not None:
        yield as_typed("report", "--root", config.root_path)
    yield as_typed("review", "--root", config.root_path)
    yield as_typed("history", "--root", config.root_path)
    yield as_typed("tensorboard", "--root", config.root_path)
    if outcome.blessed and config.data.source is None:
        yield as_typed("run", "--data", "FOLDER_OR_ARCHIVE_OF_YOUR_PICTURES")


def _report_served(pushed_path: Path, console: Console) -> None:
    served = newest_version(pushed_path.parent)
    if served is None or str(served) == pushed_path.name:
        return
    rollback = read_rollback(pushed_path.with_name(str(served)))
    if rollback is not None and str(rollback.copy_of) == pushed_path.name:
        what = "its copy, since a rollback"
    else:
        what = "which came later"
    console.print(f"  served   version {served}, {what}")


@app.command()
def run(
    data: DataOption = None,
    config: ConfigOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one setting, such as trainer.epochs=5; may be repeated. "
            "'dogbreed settings' lists all.",
        ),
    ] = None,
    breeds: Annotated[str, convert_option("breeds", metavar="A,B,...", show_default=False)] = "",
    exclude: Annotated[str, convert_option("exclude", metavar="A,B,...", show_default=False)] = "",
    per_breed: Annotated[int | None, convert_option("per_breed")] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            max=10,
            metavar="K",
            help="Cross-validate: split the pictures in K, and train once for each part, which is "
            "then what the model is evaluated on. Nothing is pushed.",
        ),
    ] = None,
    fresh: FreshOption = False,
) -> None:
    """Run the whole pipeline on this machine: pictures in, pushed model out."""
    with clear_errors(
        "Run the same command again to go on from the last finished node.",
        settings_option="--set",
        options=("breeds", "exclude", "per_breed", "folds"),
    ):
        from pipeline.config.load import load_config

        overrides = overrides_of(data, config, settings or [], fresh=fresh)
        overrides += _selection(data, breeds, exclude, per_breed)
        if folds is not None:
            overrides.append(f"data.convert.folds={folds}")
        loaded = load_config(config, overrides, source=data)
        own_choice = any(each.startswith("trainer.network") for each in settings or [])
        if data is not None and config is None and not own_choice:
            Console().print(
                "This trains from scratch. For photographs of your own, --config transfer is "
                "better: it begins with what ImageNet teaches.",
                soft_wrap=True,
                highlight=False,
            )
        if folds is None:
            _run_once(loaded, Console())
        else:
            _cross_validate(loaded, folds, Console())


def _selection(data: str | None, breeds: str, exclude: str, per_breed: int | None) -> Iterator[str]:
    """Yields overrides that select pictures; raises UsageError where it is too late for that."""
    from ingestion.dataset import DATASET_FILE

    chosen = {
        "breeds": list(names_in(breeds)), "exclude": list(names_in(exclude)), "per_breed": per_breed
    }  # fmt: skip
    chosen = {name: value for name, value in chosen.items() if value not in ([], None)}
    if chosen and data is not None and Path(data, DATASET_FILE).is_file():
        flags = ", ".join(map(flag_of, chosen))
        raise UsageError(
            f"{data} holds records, which are as they were converted: give {flags} to 'dogbreed "
            "convert', or name the pictures with --data."
        )
    for name, value in chosen.items():
        yield f"data.convert.{name}={json.dumps(value)}"


def _run_once(config: Config, console: Console) -> None:
    from pipeline.local.run_pipeline import run as run_pipeline

    finished = run_pipeline(config, console)
    report_run(config, finished, console)
    if not finished.outcome.blessed:
        raise typer.Exit(ExitCode.NOT_BLESSED)


def _cross_validate(config: Config, num_folds: int, console: Console) -> None:
    from pipeline.cli.train.folds import report_fold, report_folds, write_folds
    from pipeline.local.cross_validate import cross_validate, results_path

    path = results_path(config)

    def keep(results: list[FoldResult]) -> None:
        write_folds(results, path)
        report_fold(results[-1], console)

    report_folds(cross_validate(config, num_folds, console, keep), path, console)
