"""Command `dogbreed logs`: prints a step's log."""

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
    from kfp_server_api import V2beta1Run

    from pipeline.kubeflow.submit.workflow import Workflow


@app.command()
def logs(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The run, or the start of it, as 'dogbreed runs' lists it."
        ),
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
        from pipeline.kubeflow.submit.step_log import follow_log, read_log

        kubeflow = connect(host, namespace, ca, verify)
        found = kubeflow.run(run)
        shown = _step(found, step)
        if follow:
            for text in follow_log(kubeflow, found.run_id, shown, interval):
                sys.stdout.write(text)
                sys.stdout.flush()
            return
        workflow = kubeflow.workflow(found.run_id)
        pod = workflow.newest_pod(shown) if workflow else None
        if pod is None:
            raise UserError(f"{shown} has had no pod: {_why_no_pod(workflow, shown)}.")
        sys.stdout.write(read_log(kubeflow, found.run_id, shown, pod))


def _why_no_pod(workflow: Workflow | None, step: str) -> str:
    if workflow is None:
        return "Kubeflow no longer has the run's workflow, which alone tells where its logs are"
    return "its result was known and reused" if workflow.was_reused(step) else "it has not begun"


def _step(run: V2beta1Run, wanted: str | None) -> str:
    from pipeline.kubeflow.submit.follow import first_step
    from pipeline.local.observer import NodeStatus

    names = _step_names(run)
    if wanted is None:
        if not names:
            raise UserError(f"Run {run.run_id} has no steps yet.")
        at_fault = first_step(run, names, NodeStatus.FAILED)
        return at_fault or first_step(run, names, NodeStatus.RUNNING) or names[-1]
    found = next((name for name in names if _as_typed(name) == _as_typed(wanted)), None)
    if found is None:
        raise UserError(
            f"Run {run.run_id} has no step {wanted}. "
            + (f"So far there are {', '.join(names)}." if names else "It has no steps yet.")
        )
    return found


def _step_names(run: V2beta1Run) -> list[str]:
    from pipeline.kubeflow.submit.api import tasks_of
    from pipeline.kubeflow.submit.workflow import DRIVER

    tasks = tasks_of(run)
    drivers = [name for name in tasks if name.endswith(DRIVER) and name != f"root{DRIVER}"]
    drivers.sort(key=lambda name: tasks[name].start_time.timestamp())
    return [name.removesuffix(DRIVER) for name in drivers]


def _as_typed(name: str) -> str:
    """Converts `ImportExampleGen` to Kubeflow's import-example-gen."""
    return name.replace("-", "").lower()
