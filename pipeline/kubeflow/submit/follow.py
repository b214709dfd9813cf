"""Follows a run to its end and reports whether it failed, why, and whether it pushed a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from kfp_server_api import V2beta1Run

from components.pusher.identity import SERVED_ALREADY
from foundation.errors import UserError
from pipeline.config.nodes import PUSHER
from pipeline.kubeflow.step.step_lines import reason_in
from pipeline.kubeflow.submit import api
from pipeline.kubeflow.submit.client import UnreachableError
from pipeline.kubeflow.submit.step_log import last_words, read_log
from pipeline.kubeflow.submit.workflow import DRIVER
from pipeline.local.display import RunDisplay
from pipeline.local.observer import NodeStatus

_PUSHED_MODEL, _PUSHED = "pushed_model", "pushed"  # Pusher's output, as Report's input; property
# Whether the model is served now; TFX's Pusher says the first and the last.
_LOG_SAYS = {"Model pushed to": True, SERVED_ALREADY: True, "was not blessed": False}
_OUT_OF_MEMORY = "OOMKilled"  # Kubernetes' word
_PATIENCE_S = 300.0  # how long Kubeflow may be unreachable while a run is followed
_NO_REASON = "Kubeflow does not say why"

_T = TypeVar("_T")


def follow(
    kubeflow: api.Kubeflow,
    run: V2beta1Run,
    steps: Mapping[str, str],
    display: RunDisplay,
    interval_s: float,
) -> V2beta1Run:
    """Shows a run until it has ended and returns its final state; polls every `interval_s` seconds.

    `steps` are its nodes by the names of their tasks, in order.

    Raises:
        UserError: Kubeflow refuses, or stays unreachable.
    """

    def patiently(fetch: Callable[[str], _T]) -> _T:
        """Retries while the server is unreachable."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return fetch(run.run_id)
            except UnreachableError as error:
                if time.monotonic() > give_up_at:
                    raise UserError(
                        f"{error} The run goes on; to see it later: dogbreed runs --host "
                        f"{kubeflow.host}"
                    ) from None
                time.sleep(interval_s)

    def was_reused(step: str) -> bool:
        workflow = patiently(kubeflow.workflow)
        return workflow is not None and workflow.was_reused(step)

    display.run_started(list(steps.values()))
    while True:
        _show(run, steps, display, was_reused)
        if run.state in api.ENDED:
            return run
        time.sleep(interval_s)
        run = patiently(kubeflow.run)


def pushed(kubeflow: api.Kubeflow, run: V2beta1Run, steps: Mapping[str, str]) -> bool | None:
    """Returns whether a run that succeeded pushed its model; None if unknown.

    It is a property of Pusher's output, an input of Report. Without Report, Pusher's log says it.
    """
    pusher = next((task for task, node in steps.items() if node == PUSHER.name), None)
    with suppress(UserError):  # the run has succeeded all the same
        workflow = kubeflow.workflow(run.run_id)
        if workflow is None or pusher is None:
            return None
        noted = workflow.given_property(_PUSHED_MODEL, _PUSHED)
        if noted is not None:
            return bool(noted)
        if pod := workflow.newest_pod(pusher):
            log = read_log(kubeflow, run.run_id, PUSHER.name, pod)
            return next((meaning for words, meaning in _LOG_SAYS.items() if words in log), None)
    return None


def check_succeeded(kubeflow: api.Kubeflow, run: V2beta1Run, steps: Mapping[str, str]) -> None:
    """Raises a `UserError` with failed step, reason and log command if the run did not succeed."""
    if run.state == api.SUCCEEDED:
        return
    if run.state == api.CANCELED:
        raise UserError(f"Run {run.run_id} was cancelled.")
    failed = first_step(run, steps, NodeStatus.FAILED)
    if failed is None:
        said = (run.error.message if run.error else None) or _NO_REASON
        raise UserError(
            f"Run {run.run_id} failed before any step did: {said}. See {page_of(kubeflow, run)}."
        )
    node = steps[failed]
    raise UserError(
        f"{node} failed: {_reason(kubeflow, run, failed, node)}\n"
        f"Its log: dogbreed logs {run.run_id} --step {node} --host {kubeflow.host}"
    )


def first_step(run: V2beta1Run, steps: Iterable[str], status: NodeStatus) -> str | None:
    """Returns the first step with a status, or None."""
    return next((step for step in steps if _status(run, step) == status), None)


def page_of(kubeflow: api.Kubeflow, run: V2beta1Run) -> str:
    """Returns the URL of a run in Kubeflow's UI."""
    return f"{kubeflow.host}/#/runs/details/{run.run_id}"


def _show(
    run: V2beta1Run,
    steps: Mapping[str, str],
    display: RunDisplay,
    was_reused: Callable[[str], bool],
) -> None:
    for step, node in steps.items():
        before, now = display.nodes[node], _status(run, step)
        if now == before or before not in (NodeStatus.WAITING, NodeStatus.RUNNING):
            continue
        if now == NodeStatus.WAITING:
            if run.state not in api.ENDED:
                continue
            now = NodeStatus.STOPPED  # it was running when the run was cancelled
        elif before == NodeStatus.WAITING:
            display.node_started(node)
        if now == NodeStatus.RAN and was_reused(step):
            now = NodeStatus.REUSED
        if now != NodeStatus.RUNNING:
            display.node_ended(node, now, api.elapsed_s(run, step))


def _status(run: V2beta1Run, step: str) -> NodeStatus:
    tasks = api.tasks_of(run)
    states = [tasks[name].state for name in (step, step + DRIVER) if name in tasks]
    if api.FAILED in states:
        return NodeStatus.FAILED
    if step in tasks and tasks[step].state == api.SUCCEEDED:
        return NodeStatus.RAN
    if any(state in ("PENDING", "RUNNING", api.SUCCEEDED) for state in states):
        # A run that has ended leaves steps that neither ran nor failed.
        return NodeStatus.STOPPED if run.state in api.ENDED else NodeStatus.RUNNING
    return NodeStatus.WAITING


def _reason(kubeflow: api.Kubeflow, run: V2beta1Run, step: str, node: str) -> str:
    """Returns the reason a step failed, from its log, else from its pod."""
    workflow = kubeflow.workflow(run.run_id)
    if workflow is None:
        return "Kubeflow no longer has the run's workflow, which would say why"
    pod, log = workflow.newest_pod(step), ""
    if pod is None:
        return _NO_REASON
    with suppress(UserError):  # the pod is gone; Kubeflow's message is left
        log = read_log(kubeflow, run.run_id, node, pod)
    if said := reason_in(node, log.splitlines()):
        return said
    if _OUT_OF_MEMORY in pod.message:
        return f"its container ran out of memory ({pod.message}); its limit is in the package"
    reason, last = pod.message or _NO_REASON, last_words(log)
    return f"{reason}; it last wrote: {last}" if last else reason
