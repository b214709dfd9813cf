"""Kubeflow's own artifact types, and what its UI requires of those it shows."""

from __future__ import annotations

from typing import Any

ARTIFACT = "system.Artifact"
"""Any artifact."""
DATASET = "system.Dataset"
MODEL = "system.Model"
HTML = "system.HTML"
"""A page: a single file, not a folder."""
METRICS = "system.Metrics"
"""Metrics, as metadata: each must be a number."""
CLASSIFICATION_METRICS = "system.ClassificationMetrics"
"""A confusion matrix, as the metadata `confusionMatrix`: `annotationSpecs` with a `displayName` for
each class, and `rows` with a `row` of counts for each."""

_VERSION = "0.0.1"


def type_schema(title: str) -> dict[str, Any]:
    """Returns a type as message ArtifactTypeSchema."""
    return {"schemaTitle": title, "schemaVersion": _VERSION}


def title_of(artifact: dict[str, Any]) -> str:
    """Returns the type of a RuntimeArtifact; empty if it has none."""
    return str(artifact.get("type", {}).get("schemaTitle", ""))


def is_number(value: object) -> bool:
    """Returns whether a metadata value is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
