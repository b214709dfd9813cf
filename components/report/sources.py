"""Locates the artifacts of a run as folders on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx.components.util import model_utils
from tfx.types import Artifact
from tfx.utils import path_utils

from components.baseline import holds_model
from foundation.names import NO_VERSION, SERVED_VERSION_PROPERTY
from foundation.versions import read_about


@dataclass(frozen=True)
class Sources:
    """Folders and properties of a run's artifacts."""

    examples: Path
    """ExampleGen's: `Split-train`, `Split-eval`."""
    statistics: Path
    schema: Path
    """Folder of the schema's file."""
    anomalies: Path
    model: Path
    """The SavedModel that was evaluated."""
    model_run: Path
    """Training curves and images."""
    evaluation: Path
    blessed: bool
    about: Mapping[str, Any]
    """Metadata stored with the model."""
    may_push: bool
    """Whether the run has a Pusher."""
    baseline: Path | None
    served_version: str | None
    """Version that was served before; None if there was none or it is unknown."""
    canary: Path | None
    pushed_version: str | None
    pushed_path: str | None


def sources_of(artifacts: Mapping[str, Artifact | None]) -> Sources:
    """Finds the folders of the component's inputs, by name; None for missing ones."""
    given = {name: artifact for name, artifact in artifacts.items() if artifact is not None}
    model = Path(path_utils.serving_model_path(given["model"].uri))
    baseline = given.get("baseline")
    canary = given.get("infra_blessing")
    pushed = given.get("pushed_model")
    return Sources(
        examples=Path(given["examples"].uri),
        statistics=Path(given["statistics"].uri),
        schema=Path(given["schema"].uri),
        anomalies=Path(given["anomalies"].uri),
        model=model,
        model_run=Path(given["model_run"].uri),
        evaluation=Path(given["evaluation"].uri),
        blessed=model_utils.is_model_blessed(given["blessing"]),
        about=read_about(model),
        may_push=pushed is not None,
        baseline=Path(path_utils.serving_model_path(baseline.uri))
        if baseline is not None and holds_model(baseline)
        else None,
        served_version=_served_version(baseline),
        canary=Path(canary.uri) if canary is not None else None,
        pushed_version=text_property(pushed, "pushed_version") if pushed is not None else None,
        pushed_path=text_property(pushed, "pushed_destination") if pushed is not None else None,
    )


def text_property(artifact: Artifact, name: str) -> str | None:
    """Reads a custom property; None if it is empty, as TFX gives missing ones."""
    return artifact.get_string_custom_property(name) or None


def _served_version(baseline: Artifact | None) -> str | None:
    version = text_property(baseline, SERVED_VERSION_PROPERTY) if baseline is not None else None
    return None if version == NO_VERSION else version
