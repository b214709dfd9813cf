"""Fetches the logs of steps, while they run and after their pods are gone."""

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

_HELPERS = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d|time=\"")  # log lines of Kubeflow and Argo


def read_log(kubeflow: Kubeflow, run_id: str, step: str, pod: Pod) -> str:
    """Fetches a pod's log so far; `step` is for messages.

    The API server reads the pod's log, or Argo's archive if the pod is gone. The UI server does not
    forward that path, but reads the pod's log under its own. Both serve the archive's copy as an
    artifact.

    Raises:
        UserError: no log is available; the message says what else may help.
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
    """Yields a step's log as it grows, until the step or the run has ended.

    Kubeflow does not stream logs, even with `follow`, so it is fetched again every `interval_s`
    seconds. After a retry, the log of the new pod follows.

    Raises:
        UserError: no log is available.
    """
    current, num_shown = "", 0
    while True:
        run = kubeflow.run(run_id)  # before the log, so that the last log is complete
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
    """Returns the last line that the step itself wrote, ignoring those of Kubeflow and Argo."""
    lines = (line.strip() for line in reversed(text.splitlines()) if not _HELPERS.match(line))
    return next(filter(None, lines), None)
