"""Reads what a rehearsal came to, from the artifacts that its steps left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import types
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from pipeline.kubeflow.rehearsal.engine import Engine
from pipeline.kubeflow.rehearsal.exchange import Artifact, Exchange
from pipeline.outcome import Outcome, read_outcome


def outcome_of(engine: Engine, exchange: Exchange) -> Outcome:
    """Gathers the outcome of a rehearsal that has come to its end.

    Args:
        engine: has run every task.
        exchange: knows where artifacts are kept.
    """
    outputs = {
        node: {
            key: [_tfx_artifact(artifact, exchange)] for key, artifact in results.artifacts.items()
        }
        for node, results in engine.results.items()
        if "instanceSchema" in str(results.artifacts)  # an importer's are none of TFX's
    }
    outcome = read_outcome(outputs)
    if outcome.pushed_path is None:
        return outcome
    return dataclasses.replace(
        outcome, pushed_path=Path(engine.folder_of(str(outcome.pushed_path)))
    )


def _tfx_artifact(artifact: Artifact, exchange: Exchange) -> types.Artifact:
    message = {**artifact, "uri": exchange.local_path(artifact["uri"])}
    return kubeflow_v2_entrypoint_utils._parse_raw_artifact(
        json_format.ParseDict(message, pipeline_spec_pb2.RuntimeArtifact()), {}
    )
