"""Reads the Argo workflow that Kubeflow made of a run.

A step is a DAG of one or more pods, one a try, and none where its result was reused: `trainer` with
`executor(0)`, `executor(1)`. Beside it is the pod that prepares it: `trainer-driver`.

From 2.17 on, each of these, DAGs too, may itself be tried again. Argo then has a node of type Retry
in its place, and the thing itself below that, as `trainer(0)`.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DRIVER = "-driver"
"""What Kubeflow appends to a step's name for the helper that prepares it."""


@dataclass(frozen=True)
class Pod:
    """One try of a step."""

    name: str
    """The pod's name."""
    node_id: str
    """How Argo calls the node that it is of."""
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
        packed = status.get("compressedNodes")  # of one that is too large for Kubernetes as it is
        self._nodes: Mapping[str, Mapping[str, Any]] = status.get("nodes") or (
            json.loads(gzip.decompress(base64.b64decode(packed))) if packed else {}
        )

    def newest_pod(self, step: str) -> Pod | None:
        """Returns the pod of a step's last try, else of its driver's; None if it was reused."""
        around = [node["id"] for node in self._named(step)]
        tries = [node for node in self._nodes.values() if node.get("boundaryID") in around]
        for nodes in (tries, self._named(step + DRIVER)):
            pods = [self._pod(node) for node in nodes if node.get("type") == "Pod"]
            if pods and not self.was_reused(step):
                return max(pods, key=lambda pod: pod.started_at)
        return None

    def was_reused(self, step: str) -> bool:
        """Whether a step had no need to run, because its result was known."""
        drivers = self._named(step + DRIVER)
        return any(_outputs(node).get("cached-decision") == "true" for node in drivers)

    def given_property(self, artifact: str, name: str) -> Any:
        """Returns property `name` of the input `artifact` of some step, or None.

        Before version 3, Kubeflow's API tells of an artifact only in what drivers write for steps.
        """
        for node in self._nodes.values():
            for given in _inputs(_outputs(node).get("pod-spec-patch", "")).get(artifact, ()):
                if name in given.get("metadata", {}):
                    return given["metadata"][name]
        return None

    def _named(self, name: str) -> list[Mapping[str, Any]]:
        """Returns the nodes of that name, with or without the number of a try."""
        tried = re.compile(re.escape(name) + r"(\(\d+\))?")
        return [node for node in self._nodes.values() if tried.fullmatch(node["displayName"])]

    def _pod(self, node: Mapping[str, Any]) -> Pod:
        """Puts a pod's name together as Argo does: workflow, template, and the node's number."""
        node_id, template = str(node["id"]), node.get("templateName")
        annotations = self._metadata.get("annotations") or {}
        if annotations.get("workflows.argoproj.io/pod-name-format") == "v1" or not template:
            name = node_id
        else:
            name = f"{self._metadata.get('name')}-{template}-{node_id.rpartition('-')[2]}"
        return Pod(
            name=name,
            node_id=node_id,
            namespace=str(self._metadata.get("namespace", "")),
            phase=str(node.get("phase", "")),
            message=str(node.get("message", "")),
            started_at=str(node.get("startedAt") or ""),
        )


def _outputs(node: Mapping[str, Any]) -> Mapping[str, str]:
    parameters = (node.get("outputs") or {}).get("parameters") or ()
    return {one["name"]: str(one.get("value", "")) for one in parameters}


def _inputs(pod_patch: str) -> Mapping[str, list[Mapping[str, Any]]]:
    """Finds the input artifacts of a step in what its driver adds to its pod, by name."""
    for container in json.loads(pod_patch or "{}").get("containers", ()):
        command = [*container.get("command", ()), *container.get("args", ())]
        for option, value in itertools.pairwise(command):
            if option == "--executor_input":
                inputs = json.loads(value).get("inputs", {}).get("artifacts", {})
                return {name: found.get("artifacts", []) for name, found in inputs.items()}
    return {}
