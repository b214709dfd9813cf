"""`dogbreed runs`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from foundation.errors import UserError
from pipeline.cli.app import app, clear_errors
from pipeline.cli.kubeflow.kubeflow_arguments import (
    CaOption,
    HostOption,
    NamespaceOption,
    VerifyOption,
    connect,
)


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
        from pipeline.cli.kubeflow.show_runs import show_runs

        kubeflow = connect(host, namespace, ca, verify)
        experiment_id = None
        if experiment is not None:
            experiment_id = kubeflow.find_experiment(experiment)
            if experiment_id is None:
                raise UserError(f"{kubeflow.host} has no experiment {experiment}.")
        show_runs(kubeflow, kubeflow.list_runs(limit, experiment_id), Console())
