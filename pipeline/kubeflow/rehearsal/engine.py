"""Runs a package's tasks: resolves inputs, runs and retries each step, stores its outputs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foundation.errors import UserError
from foundation.exit_codes import ExitCode
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.parameters import DATA
from pipeline.kubeflow.rehearsal.artifacts import (
    Artifact,
    Exchange,
    Handover,
    Results,
    StepOutputError,
    check_imported,
)
from pipeline.kubeflow.rehearsal.options import RehearsalOptions, Volume
from pipeline.kubeflow.rehearsal.steps import (
    Mount,
    StepEnd,
    StepFailedError,
    StepRunner,
    is_explained,
    why_failed,
)
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.step.uris import is_object_store
from pipeline.local.observer import NodeStatus, RunObserver

_PLACEHOLDER = "{{$}}"


class Engine:
    """Runs the tasks of a package, one after the other.

    `observer` is told when each node starts and ends; output of steps goes to `log_path`.
    """

    def __init__(
        self,
        package: Package,
        options: RehearsalOptions,
        exchange: Exchange,
        runner: StepRunner,
        observer: RunObserver,
        log_path: Path,
    ) -> None:
        defaults = {name: spec.get("defaultValue", "") for name, spec in package.parameters.items()}
        self.parameters: dict[str, Any] = {**defaults, **options.parameters}
        """Values of the pipeline's parameters."""
        self._options = options
        self._exchange = exchange
        self._runner = runner
        self._observer = observer
        self._log_path = log_path
        self.results: dict[str, Results] = {}
        """Outputs of finished nodes, by the node's name in the DAG."""
        self._by_task: dict[str, Results] = {}
        self._mounted: list[Mount] = []
        self._data_location = str(self.parameters.get(DATA, ""))

    def run(self, tasks: Sequence[Task]) -> None:
        """Runs the tasks in the given order.

        Raises:
            StepFailedError: a step failed; later ones did not run.
            UserError: something that a step needs is missing.
        """
        check_secrets(tasks)
        if self._options.data is not None and is_object_store(self._data_location):
            self._exchange.put(self._data_location, self._options.data)
        self._observer.run_started([task.node for task in tasks])
        for task in tasks:
            self._observer.node_started(task.node)
            started_at = time.monotonic()
            status = NodeStatus.FAILED
            try:
                results = self._run_container(task) if task.container else self._import(task)
                status = NodeStatus.RAN
            finally:
                self._observer.node_ended(task.node, status, time.monotonic() - started_at)
            self._by_task[task.name] = self.results[task.node] = results

    def folder_of(self, path: str) -> str:
        """Maps a path on a mounted volume to the local folder that stands for it."""
        for mount in self._mounted:
            if path == mount.path or path.startswith(mount.path + "/"):
                return str(mount.folder) + path[len(mount.path) :]
        return path

    def _run_container(self, task: Task) -> Results:
        parameters = {
            name: self._parameter(source)
            for name, source in task.inputs.get("parameters", {}).items()
        }
        inputs = {
            key: self._artifact(source) for key, source in task.inputs.get("artifacts", {}).items()
        }
        for attempt in range(task.retries + 1):
            handover = self._exchange.hand_over(task, parameters, inputs)
            end = self._attempt(task, handover, attempt)
            if end.exit_code == ExitCode.DONE:
                try:
                    return self._exchange.take_back(task, handover)
                except StepOutputError as error:
                    raise StepFailedError(task.node, str(error), end.tail) from None
        reason = why_failed(task, end)
        if task.retries:
            reason += f" (tried {task.retries + 1} times)"
        raise StepFailedError(task.node, reason, () if is_explained(task, end) else end.tail)

    def _attempt(self, task: Task, handover: Handover, attempt: int) -> StepEnd:
        container = task.container
        message = json.dumps(handover.executor_input)
        command = [
            part.replace(_PLACEHOLDER, message)
            for part in (*container.get("command", ()), *container.get("args", ()))
        ]
        mounts = [Mount(path, folder) for path, folder in handover.folders.items()]
        mounts += self._volume_mounts(task)
        environment = {variable: os.environ[variable] for variable in task.secrets}
        with self._log_path.open("a", encoding="utf-8") as log:
            again = f", attempt {attempt + 1}" if attempt else ""
            log.write(f"=== {task.node}{again}\n")
        return self._runner.run(task, command, mounts, environment, self._log_path)

    def _import(self, task: Task) -> Results:
        spec = task.executor["importer"]
        source = spec.get("artifactUri", {})
        uri = source.get("constant")
        if uri is None:
            name = source.get("runtimeParameter", "")
            uri = self._parameter(task.inputs["parameters"][name])
        check_imported(uri, self._exchange.local_path(uri))
        [key] = task.output_artifacts
        return Results({key: self._exchange.imported(uri, spec["typeSchema"])})

    def _parameter(self, source: Mapping[str, Any]) -> Any:
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        if "componentInputParameter" in source:
            return self.parameters[source["componentInputParameter"]]
        output = source["taskOutputParameter"]
        return self._by_task[output["producerTask"]].parameters[output["outputParameterKey"]]

    def _artifact(self, source: Mapping[str, Any]) -> Artifact:
        output = source["taskOutputArtifact"]
        return self._by_task[output["producerTask"]].artifacts[output["outputArtifactKey"]]

    def _volume_mounts(self, task: Task) -> list[Mount]:
        mounts = []
        data = self._options.data
        for written in task.kubernetes.get("pvcMount", ()):
            claim, path = str(written.get("constant", "")), str(written["mountPath"])
            volume = self._options.volumes.get(
                claim, Volume(self._options.root / "volumes" / claim)
            )
            folder = volume.folder / written.get("subPath", "")
            folder.mkdir(parents=True, exist_ok=True)
            mounts.append(Mount(path, folder, volume.read_only))
            if data is not None and f"{self._data_location}/".startswith(f"{path}/"):
                if path == self._data_location:
                    mounts.pop()
                mounts.append(Mount(self._data_location, data, read_only=True))
        self._mounted += mounts
        return mounts


def check_secrets(tasks: Sequence[Task]) -> None:
    """Checks that every secret that a step reads is set as an environment variable.

    Raises:
        UserError: one is not set.
    """
    for task in tasks:
        for variable, (secret, key) in task.secrets.items():
            if not os.environ.get(variable):
                raise UserError(
                    f"{task.node} reads the environment variable {variable} from the key {key} of "
                    f"the secret {secret}. On a cluster its pod would not start without; for a "
                    f"rehearsal, set {variable}."
                )
