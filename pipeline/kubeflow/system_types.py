"""Kubeflow's own types of artifacts, and what it wants of those that its page shows."""

from __future__ import annotations

from typing import Any

ARTIFACT = "system.Artifact"
"""Anything."""
DATASET = "system.Dataset"
"""Examples."""
MODEL = "system.Model"
"""A model."""
HTML = "system.HTML"
"""A page; the artifact is that one file, no folder."""
METRICS = "system.Metrics"
"""Figures, as metadata: each must be a number."""
CLASSIFICATION_METRICS = "system.ClassificationMetrics"
"""A confusion matrix, as the metadata `confusionMatrix`: `annotationSpecs` with a `displayName` for
each class, and `rows` with a `row` of counts for each."""

_VERSION = "0.0.1"


def type_schema(title: str) -> dict[str, Any]:
    """Writes a type as message ArtifactTypeSchema."""
    return {"schemaTitle": title, "schemaVersion": _VERSION}


def title_of(artifact: dict[str, Any]) -> str:
    """Returns the type of an artifact, a message RuntimeArtifact; empty where it has none."""
    return str(artifact.get("type", {}).get("schemaTitle", ""))


def is_number(value: object) -> bool:
    """Says whether a metadata value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
