"""Passes artifacts between steps: on plain paths, or as the launcher does with an object store."""

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
"""File that a step writes its ExecutorOutput to."""


@dataclass(frozen=True)
class Results:
    """Output artifacts and parameters of a task, by output name."""

    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Handover:
    """Inputs of a step: message ExecutorInput, and the files and folders it refers to."""

    executor_input: dict[str, Any]
    output_file: Path
    """Local path of the file that the step writes its ExecutorOutput to."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Local folders to mount writable, by the path at which the step sees them."""


class StepOutputError(Exception):
    """The outputs of a step are invalid; the message says why."""


def read_output(task: Task, handover: Handover, local_path: Callable[[str], Path]) -> Results:
    """Reads a step's outputs and checks them as the launcher and Kubeflow's page do.

    `local_path` maps the URI of an output to its local path.

    Raises:
        StepOutputError: the launcher or the page would reject them.
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
    """Reads an ExecutorOutput and returns its JSON form and its output parameters."""
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
"""A cluster's default location of artifacts."""

_OUTPUT_FOLDER = "/tmp/kfp_outputs"  # paths of the launcher's own
_OUTPUT_NAME = "output_metadata.json"
_PARAMETER_FOLDER = "/tmp/kfp/outputs"
_LAUNCHER_FOLDERS = ("/minio", "/s3", "/gcs", _OUTPUT_FOLDER, _PARAMETER_FOLDER)
_LOGS = "executor-logs"


class Bucket:
    """An `Exchange` that copies artifacts to and from an object store, as the launcher does.

    `folder` stands for the store, `scratch` holds the steps' disks.
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
        # The backend adds this output where it publishes logs, which is the default.
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
            _copy(on_disk(artifact["uri"]), Path(self.local_path(artifact["uri"])))
        shutil.rmtree(disk)
        # Later steps get the number from the metadata store as the artifact's name.
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
    """Copies a file or the files in a folder; object stores have no empty folders."""
    for path in [source] if source.is_file() else source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


class Exchange(Protocol):
    """Passes artifacts from step to step."""

    def hand_over(
        self, task: Task, parameters: Mapping[str, Any], inputs: Mapping[str, Artifact]
    ) -> Handover:
        """Prepares the inputs and output locations of one attempt at a step."""

    def take_back(self, task: Task, handover: Handover) -> Results:
        """Checks and stores the outputs of a step."""

    def imported(self, uri: str, artifact_type: dict[str, Any]) -> Artifact:
        """Returns the artifact that an importer makes of a URI."""

    def local_path(self, uri: str) -> str:
        """Returns the local path of the artifact at a URI."""

    def put(self, uri: str, folder: Path) -> None:
        """Makes a local folder available at a URI."""


class LocalFolders:
    """An `Exchange` on plain paths below a root folder, as in kfp's local engine."""

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
    """Checks that the path that stands for an imported URI exists.

    Raises:
        UserError: it does not exist.
    """
    if not Path(path).exists():
        raise UserError(
            f"There is nothing at {uri} to import: a folder that stands for it is named with "
            "--data FOLDER."
        )
