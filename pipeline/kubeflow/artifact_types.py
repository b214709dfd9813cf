"""Maps TFX's artifact types to Kubeflow's, and to classes for the steps' entry point.

A package has Kubeflow's own types alone: its UI can show those, and backends without ML Metadata
refuse TFX's. A step's entry point gets the TFX types as an argument.
"""

from __future__ import annotations

from typing import Any

import yaml
from tfx.orchestration.pipeline import Pipeline
from tfx.utils import name_utils

from components.report.component import RunClassification, RunMetrics, RunReport
from pipeline.kubeflow.system_types import (
    ARTIFACT,
    CLASSIFICATION_METRICS,
    DATASET,
    HTML,
    METRICS,
    MODEL,
    type_schema,
)

_SYSTEM_TYPES = {
    "tfx.Examples": DATASET,
    "tfx.Model": MODEL,
    "tfx.PushedModel": MODEL,
    RunReport.TYPE_NAME: HTML,
    RunMetrics.TYPE_NAME: METRICS,
    RunClassification.TYPE_NAME: CLASSIFICATION_METRICS,
}


def for_kubeflow(artifact_type: dict[str, Any]) -> dict[str, Any]:
    """Returns Kubeflow's type for a type that TFX compiled, both message ArtifactTypeSchema."""
    return type_schema(_SYSTEM_TYPES.get(_title(artifact_type), ARTIFACT))


def for_tfx(artifact_type: dict[str, Any], classes: dict[str, str]) -> dict[str, Any]:
    """Returns a type as TFX's entry point needs it: by the path of its class, from `classes_of`."""
    path = classes.get(_title(artifact_type))
    return artifact_type if path is None else {"schemaTitle": path}


def classes_of(dag: Pipeline) -> dict[str, str]:
    """Returns the import path of each class of artifacts in a DAG, by its type's name."""
    return {
        channel.type.TYPE_NAME: name_utils.get_full_name(channel.type)
        for node in dag.components
        for channel in node.outputs.values()
    }


def _title(artifact_type: dict[str, Any]) -> str:
    return str(yaml.safe_load(artifact_type["instanceSchema"])["title"])
