"""Follows a run to its end, and says what it came to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from foundation.errors import UserError
from pipeline.kubeflow.parameters import REPORT
from pipeline.kubeflow.step.step_lines import reason_in
from pipeline.kubeflow.submit.api import CANCELED, DRIVER, ENDED, FAILED, SUCCEEDED, Kubeflow, Run
from pipeline.kubeflow.submit.connection import UnreachableError
from pipeline.kubeflow.submit.step_log import (
    Workflow,
    last_words,
    newest_pod,
    read_log,
    says_pushed,
)
from pipeline.local.display import RunDisplay
from pipeline.local.observer import NodeStatus

_PUSHER = "Pusher"  # the node that makes a model the served one
_OUT_OF_MEMORY = "OOMKilled"  # Kubernetes' word
_PATIENCE_S = 300.0  # how long Kubeflow may be away while a run is followed


def follow(
    kubeflow: Kubeflow, run: Run, steps: Mapping[str, str], display: RunDisplay, interval_s: float
) -> Run:
    """Shows a run until it has ended.

    Args:
        kubeflow: where it runs.
        run: the run.
        steps: its nodes by the names of their tasks, in order.
        display: where to show it.
        interval_s: seconds between two looks.

    Returns:
        The run as it ended.

    Raises:
        UserError: Kubeflow cannot be asked any more.
    """
    display.run_started(list(steps.values()))
    while True:
        _show(kubeflow, run, steps, display)
        if run.state in ENDED:
            return run
        time.sleep(interval_s)
        run = _patiently(kubeflow, run.run_id, interval_s)


def pushed(kubeflow: Kubeflow, run: Run, steps: Mapping[str, str]) -> bool | None:
    """Tells whether a run that succeeded pushed its model; None where that cannot be known."""
    pusher = next((task for task, node in steps.items() if node == _PUSHER), None)
    try:
        pod = newest_pod(kubeflow, run.run_id, pusher) if pusher is not None else None
        if pod is None:
            return None
        return says_pushed(read_log(kubeflow, run.run_id, _PUSHER, pod))
    except UserError:  # the run has succeeded all the same
        return None


def check_succeeded(kubeflow: Kubeflow, run: Run, steps: Mapping[str, str]) -> None:
    """Raises what a run failed of.

    Raises:
        UserError: the run did not succeed; names the step, its last words, and its log.
    """
    if run.state == SUCCEEDED:
        return
    if run.state == CANCELED:
        raise UserError(f"Run {run.run_id} was cancelled.")
    failed = failed_step(run, steps)
    if failed is None:
        raise UserError(
            f"Run {run.run_id} failed before any step did: "
            f"{run.error or 'Kubeflow does not say why'}. See {page_of(kubeflow, run)}."
        )
    node = steps[failed]
    raise UserError(
        f"{node} failed: {_reason(kubeflow, run, failed, node)}\n"
        f"Its log: dogbreed logs {run.run_id} --step {node} --host {kubeflow.host}"
    )


def failed_step(run: Run, steps: Iterable[str]) -> str | None:
    """Returns the first step that failed, or None."""
    return next((step for step in steps if _status(run, step) == NodeStatus.FAILED), None)


def running_step(run: Run, steps: Iterable[str]) -> str | None:
    """Returns the first step that is at work, or None."""
    return next((step for step in steps if _status(run, step) == NodeStatus.RUNNING), None)


def page_of(kubeflow: Kubeflow, run: Run) -> str:
    """Returns the address at which Kubeflow's page shows a run."""
    return f"{kubeflow.host}/#/runs/details/{run.run_id}"


def report_of(kubeflow: Kubeflow, run: Run, steps: Mapping[str, str]) -> str | None:
    """Says where Kubeflow's page shows what came out; None for a package without a report."""
    if REPORT not in steps.values():
        return None
    return f"{page_of(kubeflow, run)}, below {REPORT}: the artifact 'report', its tab Visualization"


def _show(kubeflow: Kubeflow, run: Run, steps: Mapping[str, str], display: RunDisplay) -> None:
    reused: Workflow | None = None
    for step, node in steps.items():
        before, now = display.nodes[node], _status(run, step)
        if now == before or before not in (NodeStatus.WAITING, NodeStatus.RUNNING):
            continue
        if now == NodeStatus.WAITING:
            if run.state not in ENDED:
                continue
            now = NodeStatus.STOPPED  # it was at work when the run was cancelled
        elif before == NodeStatus.WAITING:
            display.node_started(node)
        if now == NodeStatus.RAN:
            reused = reused or Workflow(kubeflow.workflow(run.run_id) or {})
            now = NodeStatus.REUSED if reused.was_reused(step) else now
        if now not in (NodeStatus.WAITING, NodeStatus.RUNNING):
            display.node_ended(node, now, _seconds(run, step))


def _status(run: Run, step: str) -> NodeStatus:
    task, driver = run.tasks.get(step), run.tasks.get(step + DRIVER)
    states = [one.state for one in (task, driver) if one is not None]
    if FAILED in states:
        return NodeStatus.FAILED
    if task is not None and task.state == SUCCEEDED:
        return NodeStatus.RAN
    if any(state in ("PENDING", "RUNNING", SUCCEEDED) for state in states):
        # A run that has ended leaves steps that neither ran nor failed.
        return NodeStatus.STOPPED if run.state in ENDED else NodeStatus.RUNNING
    return NodeStatus.WAITING


def _seconds(run: Run, step: str) -> float:
    task = run.tasks.get(step) or run.tasks.get(step + DRIVER)
    if task is None or task.started_at is None or task.ended_at is None:
        return 0.0
    return (task.ended_at - task.started_at).total_seconds()


def _patiently(kubeflow: Kubeflow, run_id: str, interval_s: float) -> Run:
    """Fetches a run; a server or network that is away for a while does not end the command."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return kubeflow.run(run_id)
        except UnreachableError as error:
            if time.monotonic() > give_up_at:
                raise UserError(
                    f"{error} The run goes on; to see it later: dogbreed runs --host "
                    f"{kubeflow.host}"
                ) from None
            time.sleep(interval_s)


def _reason(kubeflow: Kubeflow, run: Run, step: str, node: str) -> str:
    """Finds why a step failed: what it says itself, else what Kubernetes says of its end."""
    task = run.tasks.get(step)
    pod = newest_pod(kubeflow, run.run_id, step)
    log = ""
    if pod is not None:
        with suppress(UserError):  # the pod is gone; what Kubeflow says is left
            log = read_log(kubeflow, run.run_id, node, pod)
        if said := reason_in(node, log.splitlines()):
            return said
        if _OUT_OF_MEMORY in pod.message:
            return f"its container ran out of memory ({pod.message}); its limit is in the package"
    ended = pod.message if pod is not None else None
    reason = ended or (task.error if task is not None else None) or "Kubeflow does not say why"
    last = last_words(log)
    return f"{reason}; it last wrote: {last}" if last else reason
