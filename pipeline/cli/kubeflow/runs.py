"""Command `dogbreed runs`: lists runs on Kubeflow Pipelines."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, ConsoleDimensions
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
    from kfp_server_api import V2beta1Run

    from pipeline.kubeflow.submit.api import Kubeflow

_SHORT_ID = 8  # characters of an id that 'dogbreed logs' accepts
_WIDE_COLUMNS = 400  # more than a line needs
_STYLES = {"SUCCEEDED": "green", "FAILED": "bold red", "RUNNING": "cyan"}


def show_runs(
    kubeflow: Kubeflow, runs: Sequence[V2beta1Run], console: Console, *, wide: bool
) -> None:
    """Prints a line for each run; `wide` shows whole ids, names and versions, over 80 columns."""
    from pipeline.kubeflow.submit.api import moment

    if not runs:
        console.print("There are no runs yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Run", "State", "Started"):
        table.add_column(title, no_wrap=True)
    table.add_column("Duration", justify="right", no_wrap=True)
    table.add_column("Name", no_wrap=True, overflow="ellipsis")
    if wide:
        table.add_column("Version", no_wrap=True)
    names: dict[str, str] = {}
    for run in runs:
        created_at, state = moment(run.created_at), run.state or ""
        table.add_row(
            run.run_id if wide else run.run_id[:_SHORT_ID],
            Text(state.lower() or "unknown", _STYLES.get(state, "")),
            f"{created_at.astimezone():%Y-%m-%d %H:%M}" if created_at else "-",
            _duration(created_at, moment(run.finished_at)),
            Text(run.display_name or ""),
            *([Text(_version(kubeflow, run, names))] if wide else []),
        )
    console.print(table)


def _version(kubeflow: Kubeflow, run: V2beta1Run, known: dict[str, str]) -> str:
    """Returns the name of a run's pipeline version, cached in `known`."""
    from pipeline.kubeflow.submit.client import RefusedError

    version = run.pipeline_version_reference
    if version is None or not (version.pipeline_id and version.pipeline_version_id):
        return "-"
    key = version.pipeline_version_id
    if key not in known:
        known[key] = "-"  # if the version was deleted
        with suppress(RefusedError):
            found = kubeflow.call("Pipeline", "get_pipeline_version", version.pipeline_id, key)
            known[key] = found.display_name
    return known[key]


def _duration(created_at: datetime.datetime | None, ended_at: datetime.datetime | None) -> str:
    if created_at is None:
        return "-"
    ended_at = ended_at or datetime.datetime.now(datetime.timezone.utc)
    minutes, seconds = divmod(int((ended_at - created_at).total_seconds()), 60)
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
    wide: Annotated[
        bool,
        typer.Option("--wide", help="Whole identifiers, and versions; so it is where piped."),
    ] = False,
    ca: CaOption = None,
    verify: VerifyOption = True,
) -> None:
    """List the runs on Kubeflow Pipelines, the newest first."""
    with clear_errors("Nothing was changed."):
        kubeflow = connect(host, namespace, ca, verify)
        experiment_id = None
        if experiment is not None:
            found = kubeflow.find("experiment", experiment)
            if not found:
                raise UserError(f"{kubeflow.host} has no experiment {experiment}.")
            experiment_id = found[0]
        console = Console()
        if wide or not console.is_terminal:
            wide = True
            console.size = ConsoleDimensions(_WIDE_COLUMNS, console.height)
        show_runs(kubeflow, kubeflow.list_runs(limit, experiment_id), console, wide=wide)
