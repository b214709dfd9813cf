"""Command `dogbreed rehearse`: runs a compiled pipeline on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from components.evaluator.metrics import ACCURACY
from foundation.exit_codes import ExitCode
from pipeline.cli.app import app, clear_errors
from pipeline.cli.train.run import although, figures_table, say_misses

if TYPE_CHECKING:
    from pipeline.kubeflow.rehearsal.options import RunIn
    from pipeline.kubeflow.rehearsal.rehearse import FinishedRehearsal


def report_rehearsal(finished: FinishedRehearsal, console: Console) -> None:
    """Prints nodes, metrics with bounds, and the verdict."""
    outcome = finished.outcome
    console.print(finished.display.table())
    figures = figures_table(outcome, finished.parameters)
    if outcome.baseline:
        served = ACCURACY.written(outcome.baseline[ACCURACY.name])
        figures.add_row("Served model", served, "compared with")
    if outcome.canary is not None and outcome.canary.latency is not None:
        figures.add_row(
            "Latency",
            f"{outcome.canary.latency.value:,.1f} ms",
            "within which 99 of 100 single pictures were answered",
        )
    if outcome.best_trial is not None:
        best = outcome.best_trial
        figures.add_row("Best trial", f"{best.score:.3f}", f"the best of {best.num_trials}")
    console.print()
    console.print(figures)
    console.print()
    if outcome.pushed_path:
        console.print(f"[bold green]Blessed and pushed[/]{although(outcome)}")
        console.print(f"  path     {outcome.pushed_path}", soft_wrap=True)
    elif outcome.blessed:
        because = "not pushed: the pipeline has no Pusher"
        console.print(f"[bold green]Blessed[/], {because}{although(outcome) or '.'}")
    else:
        console.print("[bold red]Not blessed, not pushed[/]: what was served before stays.")
    say_misses(outcome, console)
    if finished.report_path is not None:
        console.print(f"  report   {finished.report_path}", soft_wrap=True)
    console.print(f"  log      {finished.log_path}", style="dim", soft_wrap=True)


@app.command()
def rehearse(
    package: Annotated[
        Path, typer.Argument(metavar="PIPELINE.yaml", help="What 'dogbreed compile' wrote.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="RECORDS",
            exists=True,
            file_okay=False,
            help="Records that 'dogbreed convert' wrote, or the folder with them alone; they "
            "stand where the package expects them: in a volume or in an object store.",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "--set",
            metavar="KEY=VALUE",
            help="One of the pipeline's parameters, such as epochs=5; repeatable.",
        ),
    ] = None,
    volumes: Annotated[
        list[str] | None,
        typer.Option(
            "--volume",
            metavar="CLAIM=FOLDER[:ro]",
            help="A folder that stands for a volume claim; may be repeated. Default: a folder "
            "below the root, which later rehearsals find again.",
        ),
    ] = None,
    like_cluster: Annotated[
        bool,
        typer.Option(
            "--like-cluster",
            help="Hand over artifacts as Kubeflow's launcher does: through an object store, for "
            "which a folder stands.",
        ),
    ] = False,
    run_in: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="containers|processes",
            help="What steps run in. Default: containers, where an engine answers that has the "
            "image; otherwise processes.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Everything that the rehearsal leaves. Default: runs/NAME/rehearsal.",
        ),
    ] = None,
) -> None:
    """Run a compiled pipeline on this machine, step by step, before there is a cluster."""
    with clear_errors("What was pushed stays; what the rehearsal had not finished is run anew."):
        from pipeline.kubeflow.package import load_package
        from pipeline.kubeflow.parameters import typed_parameters
        from pipeline.kubeflow.rehearsal.options import (
            RehearsalOptions,
            read_volumes,
            records_folder,
        )
        from pipeline.kubeflow.rehearsal.rehearse import rehearse as rehearse_package

        loaded = load_package(package)
        options = RehearsalOptions(
            root=(root or Path("runs") / loaded.name / "rehearsal").absolute(),
            parameters=typed_parameters(loaded, param or []),
            volumes=read_volumes(volumes or []),
            data=None if data is None else records_folder(data),
            like_cluster=like_cluster,
            run_in=_run_in(run_in),
        )
        console = Console()
        finished = rehearse_package(loaded, options, console)
        report_rehearsal(finished, console)
    if not finished.outcome.blessed:
        raise typer.Exit(ExitCode.NOT_BLESSED)


def _run_in(written: str | None) -> RunIn | None:
    if written not in (None, "containers", "processes"):
        raise typer.BadParameter(
            f"'{written}' is neither containers nor processes", param_hint="--in"
        )
    return written  # type: ignore[return-value]
