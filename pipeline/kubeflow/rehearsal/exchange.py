"""How artifacts pass from step to step: on plain paths, as kfp's local engine does it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.errors import UserError
from pipeline.kubeflow.rehearsal.tasks import Task

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
        untyped = {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}
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
        return read_output(task, handover)

    def imported(self, uri: str, artifact_type: dict[str, Any]) -> Artifact:
        """See `Exchange.imported`."""
        return {"name": uri, "uri": self.local_path(uri), "type": artifact_type, "metadata": {}}

    def local_path(self, uri: str) -> str:
        """See `Exchange.local_path`."""
        return str(self._stand_ins.get(uri, uri))

    def put(self, uri: str, folder: Path) -> None:
        """See `Exchange.put`."""
        self._stand_ins[uri] = folder


def read_output(task: Task, handover: Handover) -> Results:
    """Reads what a step says it leaves, as strictly as the launcher does.

    Raises:
        StepOutputError: it is not what the launcher takes.
    """
    try:
        text = handover.output_file.read_text(encoding="utf-8")
        message = json_format.Parse(text, pipeline_spec_pb2.ExecutorOutput())
        written = json.loads(text)
    except FileNotFoundError:
        raise StepOutputError("it ended without an output file") from None
    except (UnicodeDecodeError, json_format.ParseError) as error:
        reason = " ".join(str(error).split())
        raise StepOutputError(f"the launcher would refuse its output file: {reason}") from None
    artifacts: dict[str, Artifact] = {}
    for key, listed in handover.executor_input["outputs"]["artifacts"].items():
        if key not in task.output_artifacts:
            continue
        artifact = dict(listed["artifacts"][0])
        for said in written.get("artifacts", {}).get(key, {}).get("artifacts", ()):
            nulls = [name for name, value in said.get("metadata", {}).items() if value is None]
            if nulls:
                raise StepOutputError(
                    f"the launcher would refuse its output {key}: {nulls[0]} has no value"
                )
            artifact["uri"] = said.get("uri", artifact["uri"])
            artifact["metadata"] = {**artifact["metadata"], **said.get("metadata", {})}
        artifacts[key] = artifact
    parameters = json_format.MessageToDict(message).get("parameterValues", {})
    missing = set(task.output_parameters) - set(parameters)
    if missing:
        raise StepOutputError(f"it gave no {', '.join(sorted(missing))}")
    return Results(artifacts, parameters)


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
