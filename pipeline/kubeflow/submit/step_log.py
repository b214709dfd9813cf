"""Fetches what a step wrote."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from foundation.errors import UserError
from pipeline.kubeflow.submit.api import Kubeflow
from pipeline.kubeflow.submit.api_errors import LoginPageError, RefusedError, UnreachableError
from pipeline.kubeflow.submit.runs import ENDED, Run
from pipeline.kubeflow.submit.workflow import Pod, Workflow

_LOG_PATH = "/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log"  # of the API server
_PAGE_LOG_PATH = "/k8s/pod/logs"  # of the server behind Kubeflow's page
_HELPERS = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d|time=\"")  # lines of Kubeflow's and Argo's own
_TFX_NOT_PUSHED = "was not blessed"
_TFX_PUSHED = "Model pushed to"


def read_log(kubeflow: Kubeflow, run_id: str, step: str, pod: Pod) -> str:
    """Fetches all that a pod has written so far.

    The API server reads the pod's log, or Argo's archive where the pod is gone. The server of the
    page does the same under another path, and passes the first one on to nobody.

    Args:
        kubeflow: where the run is.
        run_id: the run.
        step: the pod's step, for messages.
        pod: the pod.

    Raises:
        UserError: there is no log to be had; the message says what else may help.
    """
    try:
        return kubeflow.client.read_text(_LOG_PATH.format(run_id=run_id, pod=pod.name))
    except (RefusedError, LoginPageError, UnreachableError) as error:
        first = error
    try:
        return kubeflow.client.read_text(
            _PAGE_LOG_PATH,
            {
                "podname": pod.name,
                "podnamespace": pod.namespace or None,
                "runid": run_id,
                "createdat": pod.started_at[:10] or None,
            },
        )
    except UserError:
        raise UserError(
            f"No log of {step} to be had: {first} The pod may be gone, and logs are not kept "
            "without Argo's archive. If it is there still: kubectl logs "
            f"{f'-n {pod.namespace} ' if pod.namespace else ''}{pod.name} -c main"
        ) from None


def follow_log(kubeflow: Kubeflow, run_id: str, step: str, interval_s: float) -> Iterator[str]:
    """Yields what a step writes, from its first line until it or the run has ended.

    Kubeflow's log does not stream, whatever its `follow` says: it is fetched again and again. When
    a step is tried again, the log of the new pod follows.

    Args:
        kubeflow: where the run is.
        run_id: the run.
        step: the step.
        interval_s: seconds between two looks.

    Raises:
        UserError: a log cannot be had.
    """
    current, num_shown = "", 0
    while True:
        run = kubeflow.run(run_id)  # first, so that what came before an end is fetched after it
        pod = newest_pod(kubeflow, run_id, step)
        if pod is not None and pod.phase != "Pending":
            if pod.name != current:
                current, num_shown = pod.name, 0
            text = read_log(kubeflow, run_id, step, pod)
            yield text[num_shown:]
            num_shown = len(text)
        if run.state in ENDED or _has_ended(run, step):
            return
        time.sleep(interval_s)


def newest_pod(kubeflow: Kubeflow, run_id: str, step: str) -> Pod | None:
    """Returns a step's last try, or its helper where that is all there is; None if neither."""
    manifest = kubeflow.workflow(run_id)
    workflow = Workflow(manifest) if manifest else None
    if workflow is None:
        return None
    pods = workflow.pods(step) or workflow.driver_pods(step)
    return pods[-1] if pods else None


def last_words(text: str) -> str | None:
    """Returns the last line that the step itself wrote, without those of the helpers around it."""
    lines = (line.strip() for line in reversed(text.splitlines()) if not _HELPERS.match(line))
    return next(filter(None, lines), None)


def says_pushed(text: str) -> bool | None:
    """Tells from Pusher's log whether it pushed; None where the log does not say."""
    if _TFX_PUSHED in text:
        return True
    return False if _TFX_NOT_PUSHED in text else None


def _has_ended(run: Run, step: str) -> bool:
    task = run.tasks.get(step)
    return task is not None and task.ended_at is not None and task.state in ENDED
