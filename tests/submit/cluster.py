"""What goes on in the stand-in's cluster: runs, the nodes of their workflows, their pods' logs.

Template names, outputs and a pod's command are as Kubeflow 2.17.0 makes them; `test_stand_in.py`
holds them to recordings.
"""

from __future__ import annotations

import datetime
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

DRIVER_TEMPLATE = "system-container-driver"
STEP_TEMPLATE = "metadata-0-3-retry-system-container-executor"
POD_TEMPLATE = "metadata-0-3-retry-system-container-impl"
START = datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.timezone.utc)

Thing = dict[str, Any]  # one of the API's messages, as JSON


@dataclass
class Cluster:
    """How runs and their logs fare; tests change it as they go."""

    wrapped: bool = True
    """Has every template tried again, DAGs too, as 2.17.0's own settings say; 2.16 has not."""
    hold_at: str | None = None
    """A step that does not end."""
    logs: dict[str, str] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)
    """What Argo says of a failed step, by step."""
    tries: dict[str, int] = field(default_factory=dict)
    pushed: bool | None = True
    """What Pusher noted on its output, which Report is given; None where there is no Report."""
    pods_gone: bool = False
    """Has removed workflows and pods, as 2.17.0 does an hour after a run's end."""
    archive: bool = False
    """Has kept the logs of pods."""
    copy_gone: bool = False
    """Has no copy of a workflow to give, as where the older API is gone."""


@dataclass
class LiveRun:
    """A run, which goes on by two ticks a step: one as it begins, one as it ends."""

    fields: Thing
    steps: list[str]
    workflow: str
    tick: int = 0
    cancelled: bool = False
    nodes: dict[str, Thing] = field(default_factory=dict)

    def look(self, cluster: Cluster) -> None:
        """Goes on by a tick, unless it is held."""
        index, begun = divmod(self.tick, 2)
        if not (begun and self.steps[index : index + 1] == [cluster.hold_at]):
            self.tick += 1

    def seen(self, cluster: Cluster) -> Thing:
        """Returns the run as the API tells it: with a task of each node of its workflow."""
        phases = self._phases(cluster)
        state = "RUNNING" if self.tick else "PENDING"
        if "Failed" in phases.values():
            state = "FAILED"
        elif list(phases.values()) == ["Succeeded"] * len(self.steps):
            state = "SUCCEEDED"
        elif self.cancelled:
            state = "CANCELED"
        self._grow(cluster, phases)
        tasks = [
            {
                "display_name": node["displayName"],
                "state": None if node["phase"] == "Omitted" else node["phase"].upper(),
                "start_time": node["startedAt"] or "0001-01-01T00:00:00Z",
                "end_time": node["finishedAt"] or "0001-01-01T00:00:00Z",
                "child_tasks": [{"pod_name": child} for child in node["children"]],
            }
            for _, node in sorted(self.nodes.items())
        ]
        self.fields |= {"state": state, "run_details": {"task_details": tasks}}
        if state not in ("RUNNING", "PENDING"):
            self.fields["finished_at"] = _time(self.tick)
        return self.fields

    def manifest(self, cluster: Cluster) -> str:
        """Returns the workflow as JSON."""
        self.seen(cluster)
        metadata = {"name": self.workflow, "namespace": "kubeflow"}
        return json.dumps({"metadata": metadata, "status": {"nodes": self.nodes}})

    def log(self, cluster: Cluster, number: str) -> str | None:
        """Returns what a pod wrote, by the number at the end of its name; None for no such pod."""
        self.seen(cluster)
        for pod in (node for node in self.nodes.values() if node["type"] == "Pod"):
            step = self.nodes[pod["boundaryID"]]["displayName"].split("(")[0]
            if pod["id"].endswith(f"-{number}") and step in self.steps:
                tried = int(pod["displayName"][-2]) + 1
                if tried < cluster.tries.get(step, 1):
                    return f"{step}, try {tried}, broke down\n"
                return cluster.logs.get(step, f"{step} at work\n")
        return None

    def _phases(self, cluster: Cluster) -> dict[str, str]:
        """Returns how each step stands, in Argo's words; nothing runs after one that failed."""
        phases: dict[str, str] = {}
        for index, step in enumerate(self.steps):
            if "Failed" in phases.values():
                phases[step] = "Omitted"
            elif self.tick >= 2 * index + 2:
                phases[step] = "Failed" if step in cluster.failing else "Succeeded"
            elif self.tick == 2 * index + 1:
                phases[step] = "Omitted" if self.cancelled else "Running"
        return phases

    def _grow(self, cluster: Cluster, phases: dict[str, str]) -> None:
        """Makes the workflow's nodes of how the steps stand."""
        self.nodes = {}
        always, tries = (_time(0), ""), int(cluster.wrapped)
        top = self._add("", self.workflow, "DAG", "entrypoint", "Running", always, tries)
        root = self._add(top, "root", "DAG", "root", "Running", always, tries)
        self._add(top, "root-driver", "Pod", "system-dag-driver", "Succeeded", always, tries)
        for index, (step, phase) in enumerate(phases.items()):
            begun = _time(2 * index)
            times = (begun, "" if phase == "Running" else _time(2 * index + 1))
            if phase == "Omitted":
                self._add(root, step, "Skipped", STEP_TEMPLATE, phase, ("", ""))
                continue
            reused, given = step in cluster.reused, {}
            if step == "report" and cluster.pushed is not None:
                given = {"pushed_model": {"pushed": int(cluster.pushed)}}
            self._add(
                root, f"{step}-driver", "Pod", DRIVER_TEMPLATE, "Succeeded", (begun, begun), tries,
                pod_spec_patch="" if reused else pod_patch(**given),
                cached_decision=str(reused).lower(), condition="true",
            )  # fmt: skip
            dag = self._add(root, step, "DAG", STEP_TEMPLATE, phase, times, tries)
            if reused:
                self._add(dag, "executor", "Skipped", POD_TEMPLATE, "Skipped", times)
            else:
                tried = cluster.tries.get(step, 1)
                self._add(dag, "executor", "Pod", POD_TEMPLATE, phase, times, tried)
                self._last(dag)["message"] = cluster.failing.get(step, "")

    def _add(
        self, boundary: str, name: str, kind: str, template: str, phase: str,
        times: tuple[str, str], tries: int = 0, **outputs: str,
    ) -> str:  # fmt: skip
        """Adds a node, below one of type Retry where it is tried again; returns the last's id."""
        around = f"{self.nodes[boundary]['name']}." if boundary else ""
        parameters = [{"name": key.replace("_", "-"), "value": outputs[key]} for key in outputs]
        names = [name, *(f"{name}({one})" for one in range(tries))]
        ids = [f"{self.workflow}-{zlib.crc32(f'{around}{each}'.encode())}" for each in names]
        for index, (identifier, shown) in enumerate(zip(ids, names, strict=True)):
            self.nodes[identifier] = {
                "id": identifier, "name": f"{around}{shown}", "displayName": shown,
                "type": "Retry" if tries and not index else kind, "templateName": template,
                "phase": phase if index in (0, tries) else "Failed", "message": "",
                "boundaryID": boundary, "children": [] if index else ids[1:],
                "startedAt": times[0].replace("Z", f"{index}Z"), "finishedAt": times[1],
                "outputs": {"parameters": parameters},
            }  # fmt: skip
        return ids[-1]

    def _last(self, boundary: str) -> Thing:
        return [node for node in self.nodes.values() if node["boundaryID"] == boundary][-1]


def pod_patch(**inputs: Thing) -> str:
    """Returns what a driver adds to its step's pod: the launcher, with the step's inputs.

    Args:
        inputs: the metadata of input artifacts, by name.
    """
    artifacts = {
        name: {"artifacts": [{"name": "1", "uri": "minio://a/b", "metadata": metadata}]}
        for name, metadata in inputs.items()
    }
    given = json.dumps({"inputs": {"artifacts": artifacts}})
    command = ["/kfp-launcher/launch", "--executor_input", given, "--", "python"]
    return json.dumps({"containers": [{"name": "main", "command": command}]})


def _time(tick: int) -> str:
    return f"{START + datetime.timedelta(seconds=1.5 * tick):%Y-%m-%dT%H:%M:%S.%fZ}"
