"""Reads the Argo workflow behind a run: which pods a step had, and what became of them.

Kubeflow's own API names a run's tasks and their states, but neither their pods nor what their
containers ended with.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.kubeflow.submit.runs import DRIVER

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
