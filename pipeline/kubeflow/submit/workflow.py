"""Reads the Argo workflow of a run.

A step such as `trainer` is a DAG with one pod per try, `executor(0)`, `executor(1)`, and none if
its cached result was reused. Another pod, `trainer-driver`, prepares it. From Kubeflow 2.17 on,
each of these may be retried: Argo then has a node of type Retry, with `trainer(0)` below it.
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
"""Suffix of the task that prepares a step."""


@dataclass(frozen=True)
class Pod:
    """The pod of one try of a step."""

    name: str
    node_id: str
    """Identifier of its node in the Argo workflow."""
    namespace: str
    phase: str
    """Pending, Running, Succeeded, Failed, Error, Skipped or Omitted."""
    message: str
    """Why it failed, such as `OOMKilled (exit code 137)`; often empty."""
    started_at: str
    """Start time in UTC as ISO 8601; empty if not started."""


class Workflow:
    """The Argo workflow of a run, read from its Kubernetes manifest."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._metadata: Mapping[str, Any] = manifest.get("metadata") or {}
        status = manifest.get("status") or {}
        packed = status.get("compressedNodes")  # if the plain nodes are too large for Kubernetes
        self._nodes: Mapping[str, Mapping[str, Any]] = status.get("nodes") or (
            json.loads(gzip.decompress(base64.b64decode(packed))) if packed else {}
        )

    def newest_pod(self, step: str) -> Pod | None:
        """Returns the pod of a step's last try, else of its driver; None if it was reused."""
        around = [node["id"] for node in self._named(step)]
        tries = [node for node in self._nodes.values() if node.get("boundaryID") in around]
        for nodes in (tries, self._named(step + DRIVER)):
            pods = [self._pod(node) for node in nodes if node.get("type") == "Pod"]
            if pods and not self.was_reused(step):
                return max(pods, key=lambda pod: pod.started_at)
        return None

    def was_reused(self, step: str) -> bool:
        """Returns whether a cached result was used instead of running a step."""
        drivers = self._named(step + DRIVER)
        return any(_outputs(node).get("cached-decision") == "true" for node in drivers)

    def given_property(self, artifact: str, name: str) -> Any:
        """Returns property `name` of the input `artifact` of any step, or None.

        Before version 3, Kubeflow's API has artifacts' properties only in the outputs of drivers.
        """
        for node in self._nodes.values():
            for given in _inputs(_outputs(node).get("pod-spec-patch", "")).get(artifact, ()):
                if name in given.get("metadata", {}):
                    return given["metadata"][name]
        return None

    def _named(self, name: str) -> list[Mapping[str, Any]]:
        """Returns the nodes with a display name, with or without the number of a try."""
        tried = re.compile(re.escape(name) + r"(\(\d+\))?")
        return [node for node in self._nodes.values() if tried.fullmatch(node["displayName"])]

    def _pod(self, node: Mapping[str, Any]) -> Pod:
        """Builds a pod; its name is formed as by Argo: workflow, template and the node's number."""
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
    """Returns a step's input artifacts by name, from its driver's patch of the pod spec."""
    for container in json.loads(pod_patch or "{}").get("containers", ()):
        command = [*container.get("command", ()), *container.get("args", ())]
        for option, value in itertools.pairwise(command):
            if option == "--executor_input":
                inputs = json.loads(value).get("inputs", {}).get("artifacts", {})
                return {name: found.get("artifacts", []) for name, found in inputs.items()}
    return {}
