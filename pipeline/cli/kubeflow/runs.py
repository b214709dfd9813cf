"""`dogbreed runs`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foundation.errors import UserError
from pipeline.cli.app import app, clear_errors
from pipeline.cli.kubeflow.kubeflow_arguments import (
    CaOption,
    HostOption,
    NamespaceOption,
    VerifyOption,
    connect,
)

if TYPE_CHECKING:
    from pipeline.kubeflow.submit.api import Kubeflow, Run

_STYLES = {"SUCCEEDED": "green", "FAILED": "bold red", "RUNNING": "cyan"}


def show_runs(kubeflow: Kubeflow, runs: Sequence[Run], console: Console) -> None:
    """Prints a line a run, in the order given.

    Args:
        kubeflow: knows what the versions are called.
        runs: the runs.
        console: where to print.
    """
    if not runs:
        console.print("There are no runs yet.")
        return
    versions: dict[tuple[str | None, str | None], str | None] = {}
    for one in runs:
        key = (one.pipeline_id, one.version_id)
        if one.pipeline_id and one.version_id and key not in versions:
            versions[key] = kubeflow.version_name(one.pipeline_id, one.version_id)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Run", "Name", "Version", "State", "Started"):
        table.add_column(title, no_wrap=title in ("Run", "State", "Started"))
    table.add_column("Duration", justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            run.run_id,
            Text(run.name),
            Text(versions.get((run.pipeline_id, run.version_id)) or "-"),
            Text(run.state.lower() or "unknown", _STYLES.get(run.state, "")),
            f"{run.created_at.astimezone():%Y-%m-%d %H:%M}" if run.created_at else "-",
            _duration(run),
        )
    console.print(table)


def _duration(run: Run) -> str:
    if run.created_at is None:
        return "-"
    ended_at = run.ended_at or datetime.datetime.now(datetime.timezone.utc)
    minutes, seconds = divmod(int((ended_at - run.created_at).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


@app.command()
def runs(
    host: HostOption = None,
    namespace: NamespaceOption = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the runs of this experiment.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=200, metavar="N", help="How many at most.")
    ] = 20,
    ca: CaOption = None,
    verify: VerifyOption = True,
) -> None:
    """List the runs on Kubeflow Pipelines, the newest first."""
    with clear_errors("Nothing was changed."):
        kubeflow = connect(host, namespace, ca, verify)
        experiment_id = None
        if experiment is not None:
            experiment_id = kubeflow.find_experiment(experiment)
            if experiment_id is None:
                raise UserError(f"{kubeflow.host} has no experiment {experiment}.")
        show_runs(kubeflow, kubeflow.list_runs(limit, experiment_id), Console())
