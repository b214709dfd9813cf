"""`dogbreed logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.errors import UserError
from pipeline.cli.app import app, clear_errors
from pipeline.cli.kubeflow.kubeflow_arguments import (
    CaOption,
    HostOption,
    IntervalOption,
    NamespaceOption,
    VerifyOption,
    connect,
)

if TYPE_CHECKING:
    from pipeline.kubeflow.submit.api import Run


@app.command()
def logs(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run, as 'dogbreed runs' lists it.")
    ],
    step: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The step. Default: the one that failed, else the one at work, else the last.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the step has ended.")
    ] = False,
    interval: IntervalOption = 3.0,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    ca: CaOption = None,
    verify: VerifyOption = True,
) -> None:
    """Print what a step of a run on Kubeflow Pipelines wrote."""
    with clear_errors("The run goes on."):
        from pipeline.kubeflow.submit.step_log import follow_log, newest_pod, read_log

        kubeflow = connect(host, namespace, ca, verify)
        shown = _step(kubeflow.run(run), step)
        if follow:
            for text in follow_log(kubeflow, run, shown, interval):
                sys.stdout.write(text)
                sys.stdout.flush()
            return
        pod = newest_pod(kubeflow, run, shown)
        if pod is None:
            raise UserError(
                f"{shown} has had no pod: it has not begun, its result was reused, or the run's "
                f"workflow is gone. What Kubernetes has of the run: kubectl logs -l "
                f"pipeline/runid={run} -c main"
            )
        sys.stdout.write(read_log(kubeflow, run, shown, pod))


def _step(run: Run, wanted: str | None) -> str:
    from pipeline.kubeflow.submit.api import step_names
    from pipeline.kubeflow.submit.follow import failed_step, running_step

    names = step_names(run)
    if wanted is None:
        if not names:
            raise UserError(f"Run {run.run_id} has no steps yet.")
        return failed_step(run, names) or running_step(run, names) or names[-1]
    found = next((name for name in names if _as_typed(name) == _as_typed(wanted)), None)
    if found is None:
        raise UserError(
            f"Run {run.run_id} has no step {wanted}. "
            + (f"So far there are {', '.join(names)}." if names else "It has no steps yet.")
        )
    return found


def _as_typed(name: str) -> str:
    """Lets `ImportExampleGen` stand for import-example-gen, as Kubeflow has it."""
    return name.replace("-", "").lower()
