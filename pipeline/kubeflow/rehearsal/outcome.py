"""Reads the outcome of a rehearsal from its output artifacts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import types
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from pipeline.history.outcome import Outcome, read_outcome
from pipeline.kubeflow.kfp_names import OUTPUTS_SPEC
from pipeline.kubeflow.rehearsal.artifacts import Artifact, Exchange
from pipeline.kubeflow.rehearsal.engine import Engine
from pipeline.kubeflow.rehearsal.tasks import Task


def outcome_of(engine: Engine, exchange: Exchange, tasks: Sequence[Task]) -> Outcome:
    """Returns the outcome of a rehearsal whose engine has run all the tasks."""
    outputs = {}
    for task in tasks:
        kinds = _types_for_tfx(task)
        artifacts = engine.results[task.node].artifacts
        outputs[task.node] = {
            key: [_tfx_artifact(artifacts[key], kind, exchange)] for key, kind in kinds.items()
        }
    outcome = read_outcome(outputs)
    if outcome.pushed_path is None:
        return outcome
    return dataclasses.replace(
        outcome, pushed_path=Path(engine.folder_of(str(outcome.pushed_path)))
    )


def _types_for_tfx(task: Task) -> dict[str, dict[str, Any]]:
    """Returns the types of a node's outputs from its arguments; importers have none."""
    arguments = task.container.get("args", [])
    if OUTPUTS_SPEC not in arguments:
        return {}
    spec = json.loads(arguments[arguments.index(OUTPUTS_SPEC) + 1])
    return {key: declared["artifactType"] for key, declared in spec["artifacts"].items()}


def _tfx_artifact(artifact: Artifact, kind: dict[str, Any], exchange: Exchange) -> types.Artifact:
    message = {**artifact, "uri": exchange.local_path(artifact["uri"]), "type": kind}
    return kubeflow_v2_entrypoint_utils._parse_raw_artifact(
        json_format.ParseDict(message, pipeline_spec_pb2.RuntimeArtifact()), {}
    )
