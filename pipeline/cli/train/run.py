"""`dogbreed run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.cli.app import ExitCode, app, clear_errors
from pipeline.cli.arguments import ConfigOption, DataOption, FreshOption, overrides_of

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.local.cross_validate import FoldResult


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
    with clear_errors("Run the same command again to go on from the last finished node."):
        from pipeline.config.load import load_config

        overrides = overrides_of(data, config, settings or [], fresh=fresh)
        if folds is not None:
            overrides.append(f"data.convert.folds={folds}")
        loaded = load_config(config, overrides, source=data)
        if folds is None:
            _run_once(loaded, Console())
        else:
            _cross_validate(loaded, folds, Console())


def _run_once(config: Config, console: Console) -> None:
    from pipeline.cli.train.report_run import report_run
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
