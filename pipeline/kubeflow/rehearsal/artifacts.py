"""How artifacts pass from step to step: on plain paths, as kfp's local engine does it."""

from __future__ import annotations

import itertools
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from foundation.errors import UserError
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.step.uris import is_object_store, launcher_path
from pipeline.kubeflow.system_types import ARTIFACT, HTML, METRICS, is_number, title_of, type_schema

Artifact = dict[str, Any]
"""Message RuntimeArtifact."""

OUTPUT_FILE = "executor_output.json"
"""File in which a step says what it leaves."""


@dataclass(frozen=True)
class Results:
    """What a task left."""

    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """By output name."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """By output name."""


@dataclass(frozen=True)
class Handover:
    """What a step is given."""

    executor_input: dict[str, Any]
    """Message ExecutorInput."""
    output_file: Path
    """Where, on this machine, the step says what it leaves."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Folders of this machine that the step sees under other paths, by path; it may write them."""


class StepOutputError(Exception):
    """What a step left cannot be used; the message says why."""


def read_output(task: Task, handover: Handover, local_path: Callable[[str], Path]) -> Results:
    """Reads what a step says it leaves, and looks at it as the launcher and Kubeflow's page do.

    Args:
        task: the step's task.
        handover: what the step was given.
        local_path: finds what the step has left for a URI.

    Raises:
        StepOutputError: it is not what they take.
    """
    written, parameters = _parsed(handover.output_file)
    artifacts = {}
    for key in task.output_artifacts:
        [artifact] = handover.executor_input["outputs"]["artifacts"][key]["artifacts"]
        for said in written.get("artifacts", {}).get(key, {}).get("artifacts", ())[:1]:
            metadata = {**artifact["metadata"], **said.get("metadata", {})}
            artifact = {**artifact, "uri": said.get("uri", artifact["uri"]), "metadata": metadata}
        _check(key, artifact, local_path(artifact["uri"]))
        artifacts[key] = artifact
    missing = set(task.output_parameters) - set(parameters)
    if missing:
        raise StepOutputError(f"it gave no {', '.join(sorted(missing))}")
    return Results(artifacts, parameters)


def _parsed(output_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a message ExecutorOutput in its JSON form, and the output parameters in it."""
    try:
        text = output_file.read_text(encoding="utf-8")
        message = json_format.Parse(text, pipeline_spec_pb2.ExecutorOutput())
    except FileNotFoundError:
        raise StepOutputError("it ended without an output file") from None
    except (UnicodeDecodeError, json_format.ParseError) as error:
        reason = " ".join(str(error).split())
        raise StepOutputError(f"the launcher would refuse its output file: {reason}") from None
    return json.loads(text), json_format.MessageToDict(message).get("parameterValues", {})


def _check(key: str, artifact: Artifact, path: Path) -> None:
    kind = title_of(artifact)
    for name, value in artifact["metadata"].items():
        if value is None:
            raise StepOutputError(
                f"the launcher would refuse its output {key}: {name} has no value"
            )
        if kind == METRICS and not is_number(value):
            raise StepOutputError(
                f"the launcher would refuse its output {key}: {name} is no number, as figures are"
            )
    if kind == HTML and not path.is_file():
        raise StepOutputError(
            f"Kubeflow would not show its output {key}: a page has to be a single file"
        )


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


class Exchange(Protocol):
    """Keeps artifacts between steps."""

    def hand_over(
        self, task: Task, parameters: Mapping[str, Any], inputs: Mapping[str, Artifact]
    ) -> Handover:
        """Prepares a step's inputs and the places of its outputs, anew for each attempt."""

    def take_back(self, task: Task, handover: Handover) -> Results:
        """Keeps what a step left, if it is as the launcher wants it."""

    def imported(self, uri: str, artifact_type: dict[str, Any]) -> Artifact:
        """Returns what an importer makes of a location."""

    def local_path(self, uri: str) -> str:
        """Returns where an artifact is kept on this machine."""

    def put(self, uri: str, folder: Path) -> None:
        """Lets a folder of this machine stand for a location."""


class LocalFolders:
    """Artifacts on plain paths, below a folder that every step sees.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stand_ins: dict[str, Path] = {}

    def hand_over(
        self, task: Task, parameters: Mapping[str, Any], inputs: Mapping[str, Artifact]
    ) -> Handover:
        """See `Exchange.hand_over`."""
        folder = self._root / task.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        untyped = type_schema(ARTIFACT)
        executor_input = {
            "inputs": {
                "parameterValues": dict(parameters),
                "artifacts": {
                    key: {"artifacts": [{**artifact, "type": untyped}]}
                    for key, artifact in inputs.items()
                },
            },
            "outputs": {
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": key,
                                "type": declared["artifactType"],
                                "uri": str(folder / key),
                                "metadata": {},
                            }
                        ]
                    }
                    for key, declared in task.output_artifacts.items()
                },
                "parameters": {
                    key: {"outputFile": str(folder / key)} for key in task.output_parameters
                },
                "outputFile": str(folder / OUTPUT_FILE),
            },
        }
        seen = {str(path): path for path in (self._root, *self._stand_ins.values())}
        return Handover(executor_input, folder / OUTPUT_FILE, seen)

    def take_back(self, task: Task, handover: Handover) -> Results:
        """See `Exchange.take_back`."""
        return read_output(task, handover, Path)

    def imported(self, uri: str, artifact_type: dict[str, Any]) -> Artifact:
        """See `Exchange.imported`."""
        return {"name": uri, "uri": self.local_path(uri), "type": artifact_type, "metadata": {}}

    def local_path(self, uri: str) -> str:
        """See `Exchange.local_path`."""
        return str(self._stand_ins.get(uri, uri))

    def put(self, uri: str, folder: Path) -> None:
        """See `Exchange.put`."""
        self._stand_ins[uri] = folder


def check_imported(uri: str, path: str) -> None:
    """Finds out whether there is something to import.

    Raises:
        UserError: there is not.
    """
    if not Path(path).exists():
        raise UserError(
            f"There is nothing at {uri} to import: a folder that stands for it is named with "
            "--data FOLDER."
        )
