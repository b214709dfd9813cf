"""Fetches what a step wrote, while it runs and after its pod is gone."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator

from foundation.errors import UserError
from pipeline.kubeflow.submit.api import ENDED, Kubeflow, tasks_of
from pipeline.kubeflow.submit.client import LoginPageError, RefusedError, UnreachableError
from pipeline.kubeflow.submit.workflow import Pod

_HELPERS = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d|time=\"")  # lines of Kubeflow's and Argo's own


def read_log(kubeflow: Kubeflow, run_id: str, step: str, pod: Pod) -> str:
    """Fetches all that a pod has written so far.

    The API server reads the pod's log, or Argo's archive where the pod is gone. The server of the
    page reads the pod's under another path, and passes the first one on to nobody. Both give the
    archive's copy as an artifact.

    Args:
        kubeflow: where the run is.
        run_id: the run.
        step: the pod's step, for messages.
        pod: the pod.

    Raises:
        UserError: there is no log to be had; the message says what else may help.
    """
    on_page = {"podname": pod.name, "podnamespace": pod.namespace, "runid": run_id}
    archived = f"/apis/v2beta1/runs/{run_id}/nodes/{pod.node_id}/artifacts/main-logs:read"
    reason = ""
    for path, query in (
        (f"/apis/v1alpha1/runs/{run_id}/nodes/{pod.name}/log", {}),
        ("/k8s/pod/logs", {**on_page, "createdat": pod.started_at[:10]}),
        (archived, {}),
    ):
        try:
            text = kubeflow.client.read_text(path, query)
            if path != archived:
                return text
            return base64.b64decode(json.loads(text)["data"]).decode("utf-8", errors="replace")
        except (RefusedError, LoginPageError, UnreachableError, ValueError, KeyError) as error:
            reason = reason or str(error)
    raise UserError(
        f"No log of {step} to be had: {reason} An hour after a run's end its pods are gone, and "
        "logs are not kept without Argo's archive. If the pod is there still: kubectl logs "
        f"{f'-n {pod.namespace} ' if pod.namespace else ''}{pod.name} -c main"
    )


def follow_log(kubeflow: Kubeflow, run_id: str, step: str, interval_s: float) -> Iterator[str]:
    """Yields what a step writes, from its first line until it or the run has ended.

    Kubeflow's log does not stream, whatever its `follow` says: it is fetched again every
    `interval_s` seconds. When a step is tried again, the log of the new pod follows.

    Raises:
        UserError: a log cannot be had.
    """
    current, num_shown = "", 0
    while True:
        run = kubeflow.run(run_id)  # first, so that what came before an end is fetched after it
        workflow = kubeflow.workflow(run_id)
        pod = workflow.newest_pod(step) if workflow else None
        if pod is not None and pod.phase != "Pending":
            if pod.name != current:
                current, num_shown = pod.name, 0
            text = read_log(kubeflow, run_id, step, pod)
            yield text[num_shown:]
            num_shown = len(text)
        task = tasks_of(run).get(step)
        if run.state in ENDED or (task and task.state in ENDED):
            return
        time.sleep(interval_s)


def last_words(text: str) -> str | None:
    """Returns the last line that the step itself wrote, without those of the helpers around it."""
    lines = (line.strip() for line in reversed(text.splitlines()) if not _HELPERS.match(line))
    return next(filter(None, lines), None)
