"""How artifacts pass from step to step on a cluster: through an object store.

A folder stands for the store. As Kubeflow's launcher does, every input is copied to the step's own
disk before it, every output to the store after it, and the step is told locations of the store.
"""

from __future__ import annotations

import itertools
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.kubeflow.rehearsal.executor_output import (
    Artifact,
    Handover,
    Results,
    read_output,
)
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.step.uris import is_object_store, launcher_path
from pipeline.kubeflow.system_types import ARTIFACT, type_schema

DEFAULT_PIPELINE_ROOT = "minio://mlpipeline/v2/artifacts"
"""Where a cluster keeps artifacts that is not told otherwise."""

_OUTPUT_FOLDER = "/tmp/kfp_outputs"  # paths of the launcher's own
_OUTPUT_NAME = "output_metadata.json"
_PARAMETER_FOLDER = "/tmp/kfp/outputs"
_LAUNCHER_FOLDERS = ("/minio", "/s3", "/gcs", _OUTPUT_FOLDER, _PARAMETER_FOLDER)
_LOGS = "executor-logs"


class Bucket:
    """An object store, and the launcher's way with it.

    Args:
        folder: stands for the store.
        scratch: folder for the steps' own disks.
        pipeline_root: location below which artifacts are kept.
        pipeline_name: the pipeline.
    """

    def __init__(self, folder: Path, scratch: Path, pipeline_root: str, pipeline_name: str) -> None:
        self._folder = folder
        self._scratch = scratch
        self._root = f"{pipeline_root.rstrip('/')}/{pipeline_name}/{uuid.uuid4()}"
        self._ids = itertools.count(1)

    def hand_over(
        self, task: Task, parameters: Mapping[str, Any], inputs: Mapping[str, Artifact]
    ) -> Handover:
        """See `Exchange.hand_over`."""
        disk = self._scratch / task.name
        shutil.rmtree(disk, ignore_errors=True)
        folders = {path: disk / path.lstrip("/") for path in _LAUNCHER_FOLDERS}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for artifact in inputs.values():
            self._fetch(artifact["uri"], disk)
        base = f"{self._root}/{task.node}/{uuid.uuid4()}"
        outputs = {
            key: {"type": declared["artifactType"], "uri": f"{base}/{key}"}
            for key, declared in task.output_artifacts.items()
        }
        # The backend adds it where it publishes logs, which is the default.
        outputs[_LOGS] = {"type": type_schema(ARTIFACT), "uri": f"{base}/{_LOGS}"}
        for output in outputs.values():
            path = disk / launcher_path(output["uri"]).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
        executor_input = {
            "inputs": {
                "parameterValues": dict(parameters),
                "artifacts": {key: {"artifacts": [each]} for key, each in inputs.items()},
            },
            "outputs": {
                "artifacts": {
                    key: {"artifacts": [{**each, "metadata": {}}]} for key, each in outputs.items()
                },
                "parameters": {
                    key: {"outputFile": f"{_PARAMETER_FOLDER}/{key}"}
                    for key in task.output_parameters
                },
                "outputFile": f"{_OUTPUT_FOLDER}/{_OUTPUT_NAME}",
            },
        }
        return Handover(executor_input, folders[_OUTPUT_FOLDER] / _OUTPUT_NAME, folders)

    def take_back(self, task: Task, handover: Handover) -> Results:
        """See `Exchange.take_back`."""
        disk = self._scratch / task.name

        def on_disk(uri: str) -> Path:
            return disk / launcher_path(uri).lstrip("/")

        results = read_output(task, handover, on_disk)
        for artifact in results.artifacts.values():
            # The launcher warns of what is missing.
            _copy(on_disk(artifact["uri"]), Path(self.local_path(artifact["uri"])))
        shutil.rmtree(disk)
        # Known to later steps by the number that the metadata store gives them.
        artifacts = {
            key: {**artifact, "name": str(next(self._ids))}
            for key, artifact in results.artifacts.items()
        }
        return Results(artifacts, results.parameters)

    def imported(self, uri: str, artifact_type: dict[str, Any]) -> Artifact:
        """See `Exchange.imported`."""
        return {"name": str(next(self._ids)), "uri": uri, "type": artifact_type, "metadata": {}}

    def local_path(self, uri: str) -> str:
        """See `Exchange.local_path`."""
        if not is_object_store(uri):
            return uri
        return str(self._folder / launcher_path(uri).lstrip("/"))

    def put(self, uri: str, folder: Path) -> None:
        """See `Exchange.put`."""
        target = Path(self.local_path(uri))
        shutil.rmtree(target, ignore_errors=True)
        _copy(folder, target)

    def _fetch(self, uri: str, disk: Path) -> None:
        if is_object_store(uri):
            _copy(Path(self.local_path(uri)), disk / launcher_path(uri).lstrip("/"))


def _copy(source: Path, target: Path) -> None:
    """Copies a file, or a folder's files: an object store knows no empty folders."""
    for path in [source] if source.is_file() else source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
