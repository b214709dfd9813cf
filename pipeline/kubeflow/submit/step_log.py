"""Fetches what a step wrote."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foundation.errors import UserError
from pipeline.kubeflow.submit.api import DRIVER, ENDED, Kubeflow, Run
from pipeline.kubeflow.submit.connection import LoginPageError, RefusedError, UnreachableError

_POD_NAME_FORMAT = "workflows.argoproj.io/pod-name-format"


@dataclass(frozen=True)
class Pod:
    """One try of a step."""

    name: str
    """The pod's name."""
    namespace: str
    """The namespace it is in."""
    phase: str
    """Argo's word: Pending, Running, Succeeded, Failed, Error, Skipped or Omitted."""
    message: str
    """Why it failed, such as `OOMKilled (exit code 137)`; often empty."""
    started_at: str
    """When it began, in UTC as ISO 8601; empty where it did not."""


class Workflow:
    """What an Argo workflow tells of a run.

    Args:
        manifest: the Kubernetes object.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._metadata: Mapping[str, Any] = manifest.get("metadata") or {}
        status = manifest.get("status") or {}
        nodes = status.get("nodes") or _uncompressed(status.get("compressedNodes"))
        self._nodes: Sequence[Mapping[str, Any]] = list(nodes.values())

    def pods(self, step: str) -> list[Pod]:
        """Returns the pods that a step had, the oldest first: one a try, none if it was reused."""
        inner = {node["id"] for node in self._named(step)}
        return self._as_pods(node for node in self._nodes if node.get("boundaryID") in inner)

    def driver_pods(self, step: str) -> list[Pod]:
        """Returns the pods of the helper that prepares a step."""
        return self._as_pods(self._named(step + DRIVER))

    def was_reused(self, step: str) -> bool:
        """Whether a step that ended well had no need to run, because its result was known."""
        return any(node.get("phase") == "Succeeded" for node in self._named(step)) and not (
            self.pods(step)
        )

    def _named(self, name: str) -> list[Mapping[str, Any]]:
        return [node for node in self._nodes if node.get("displayName") == name]

    def _as_pods(self, nodes: Any) -> list[Pod]:
        pods = [self._pod(node) for node in nodes if node.get("type") == "Pod"]
        return sorted(pods, key=lambda pod: pod.started_at)

    def _pod(self, node: Mapping[str, Any]) -> Pod:
        return Pod(
            name=self._pod_name(node),
            namespace=str(self._metadata.get("namespace", "")),
            phase=str(node.get("phase", "")),
            message=str(node.get("message", "")),
            started_at=str(node.get("startedAt") or ""),
        )

    def _pod_name(self, node: Mapping[str, Any]) -> str:
        """Puts a pod's name together as Argo does: workflow, template, and the node's number."""
        node_id = str(node["id"])
        annotations = self._metadata.get("annotations") or {}
        template = node.get("templateName")
        if annotations.get(_POD_NAME_FORMAT) == "v1" or not template:
            return node_id
        return f"{self._metadata.get('name')}-{template}-{node_id.rpartition('-')[2]}"


def _uncompressed(nodes: str | None) -> dict[str, Any]:
    """Unpacks the nodes of a workflow that is too large for Kubernetes as it is."""
    if not nodes:
        return {}
    unpacked: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(nodes)))
    return unpacked


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
