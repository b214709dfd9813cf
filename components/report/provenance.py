"""Gathers the provenance of a model, and the commands to train and serve it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
import yaml
from tfx.types import Artifact

from components.report.facts import ArtifactRow, Provenance
from components.report.sources import Sources, text_property
from foundation.names import KEPT_AS_PROPERTY, KEPT_AT_PROPERTY

_ORIGINS = {
    "examples": "ImportExampleGen.examples",
    "statistics": "StatisticsGen.statistics",
    "schema": "CuratedSchema.schema",
    "anomalies": "ExampleValidator.anomalies",
    "transform_graph": "Transform.transform_graph",
    "model": "Trainer.model",
    "model_run": "Trainer.model_run",
    "baseline": "Baseline.model",
    "evaluation": "Evaluator.evaluation",
    "blessing": "Evaluator.blessing",
    "infra_blessing": "Canary.blessing",
    "pushed_model": "Pusher.pushed_model",
}
_UNKNOWN = "not known"


def artifact_rows(
    artifacts: Mapping[str, Artifact | None], settings: Mapping[str, Any]
) -> tuple[ArtifactRow, ...]:
    """Lists the artifacts that the report was made from, in the order of the DAG."""
    origins = dict(_ORIGINS)
    if settings["data"]["infer_schema"]:
        origins["schema"] = "SchemaGen.schema"
    return tuple(
        ArtifactRow(
            name=origins[name],
            type_name=artifact.type_name,
            id=text_property(artifact, KEPT_AS_PROPERTY) or str(artifact.id or ""),
            uri=text_property(artifact, KEPT_AT_PROPERTY) or artifact.uri,
        )
        for name, artifact in artifacts.items()
        if artifact is not None
    )


def provenance(
    sources: Sources,
    settings: Mapping[str, Any],
    commit: str,
    artifacts: tuple[ArtifactRow, ...],
    configuration_path: Path,
) -> Provenance:
    """Gathers what identifies a run, and the commands to repeat it."""
    trained = trained_settings(settings, sources.about)
    return Provenance(
        facts=tuple(_facts(sources.about, settings, trained, commit)),
        artifacts=artifacts,
        configuration=yaml.safe_dump(trained, sort_keys=False, allow_unicode=True),
        commands=tuple(_commands(sources, trained, configuration_path)),
    )


def trained_settings(settings: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with the settings that the model was trained with.

    On a cluster, pipeline parameters change settings when a run begins. A run with a search keeps
    the settings before the search: repeated, it searches again.
    """
    searched = settings.get("tuner") is not None
    groups = ("transform",) if searched else ("transform", "trainer")
    return {**settings, **{group: about[group] for group in groups if group in about}}


def _facts(
    about: Mapping[str, Any],
    settings: Mapping[str, Any],
    trained: Mapping[str, Any],
    commit: str,
) -> Iterator[tuple[str, str]]:
    yield "Data fingerprint", str(about.get("data") or _UNKNOWN)
    yield "Recipe", str(about.get("recipe") or _UNKNOWN)
    yield "Seed", str(trained["trainer"]["seed"])
    if settings.get("tuner") is not None and "trainer" in about:
        found = _differences(settings["trainer"], about["trainer"])
        yield "Found by the search", ", ".join(found) or "nothing better than what was configured"
    if commit:
        sha, _, dirty = commit.partition("-")
        yield "Git commit", f"{sha}, with changes that are not committed" if dirty else sha
    versions = about.get("versions") or {}
    yield from ((str(name), str(version)) for name, version in versions.items())
    yield "TensorFlow Model Analysis", tfma.__version__


def _differences(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """Yields the settings that differ, as `--set` takes them."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in after.items():
            yield from _differences(before.get(name), value, f"{key}.{name}" if key else name)
    elif before != after:
        yield f"trainer.{key}={after}"


def _commands(
    sources: Sources, settings: Mapping[str, Any], configuration_path: Path
) -> Iterator[tuple[str, str]]:
    if "kubeflow" in settings:
        yield (
            "Compile the pipeline again, from the configuration below",
            f"dogbreed compile --config {configuration_path.name} --out pipeline.yaml",
        )
        yield "Repeat the run", "dogbreed submit pipeline.yaml --host URL --wait"
    else:
        configuration = shlex.quote(str(configuration_path))
        yield (
            "Repeat the run; what has not changed is reused",
            f"dogbreed run --config {configuration}",
        )
        yield "Repeat all of it", f"dogbreed run --config {configuration} --fresh"
    if sources.pushed_path is not None:
        served = shlex.quote(str(Path(sources.pushed_path).parent))
        yield "Serve what was pushed last", f"dogbreed serve --model_base_path={served}"
        yield "Ask it", "dogbreed predict dog.jpg"
        if sources.served_version is not None:
            runs = f"--destination {served}"
            if "kubeflow" not in settings:
                runs = f"--root {shlex.quote(settings['root'])}"
            yield (
                "Go back to what was served before",
                f"dogbreed rollback {sources.served_version} {runs}",
            )
