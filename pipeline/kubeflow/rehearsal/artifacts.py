"""How artifacts pass from step to step: on plain paths, as kfp's local engine does it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from foundation.errors import UserError
from pipeline.kubeflow.rehearsal.executor_output import (
    OUTPUT_FILE,
    Artifact,
    Handover,
    Results,
    read_output,
)
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.system_types import ARTIFACT, type_schema


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
