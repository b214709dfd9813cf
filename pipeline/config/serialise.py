"""The configuration as JSON: for nodes, for the report, for the history and for fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config.config import Config

# What has no say in what comes out: a rerun that differs in it alone makes no new report.
_WITHOUT_EFFECT = frozenset({"beam_workers", "cache"})


def settings_of(config: Config, *groups: str) -> dict[str, Any]:
    """Returns some groups of the configuration by their names, as JSON can write them."""
    return config.model_dump(mode="json", include={*groups})


def reported_settings(config: Config, *, on_cluster: bool) -> str:
    """Returns JSON of what decides a run, as the report gives it for repeating the run.

    Args:
        config: the configuration.
        on_cluster: whether paths are the cluster's; else they are made absolute.
    """
    if on_cluster:
        return config.model_dump_json(exclude={*_WITHOUT_EFFECT, "root"})
    return _with_absolute_paths(config).model_dump_json(exclude={*_WITHOUT_EFFECT, "kubeflow"})


def recorded_settings(config: Config) -> str:
    """Returns JSON of all that was set for a run on this machine, as the history keeps it."""
    return _with_absolute_paths(config).model_dump_json(exclude={"kubeflow"})


def _with_absolute_paths(config: Config) -> Config:
    """Returns a configuration that means the same in another folder."""
    source, schema = config.data.source, config.data.curated_schema
    if source is not None and Path(source).exists():
        source = str(Path(source).absolute())
    data = {"source": source, "curated_schema": schema and schema.absolute()}
    pusher = {"destination": config.pusher.destination and config.push_path}
    return config.model_copy(
        update={
            "root": config.root_path,
            "data": config.data.model_copy(update=data),
            "pusher": config.pusher.model_copy(update=pusher),
        }
    )
