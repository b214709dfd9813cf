"""What a step says it leaves, read as strictly as Kubeflow's launcher reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.system_types import HTML, METRICS, is_number, title_of

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
