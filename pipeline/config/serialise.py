"""Writes the configuration as JSON for nodes, report, history and fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundation.redact import redacted
from pipeline.config.config import Config

# Without effect on results: a rerun that differs only in these makes no new report.
_WITHOUT_EFFECT = frozenset({"beam_workers", "cache"})


def settings_of(config: Config, *groups: str) -> dict[str, Any]:
    """Returns some groups of the configuration by name, as JSON values."""
    return config.model_dump(mode="json", include={*groups})


def reported_settings(config: Config, *, on_cluster: bool) -> str:
    """Returns JSON of what decides a run, as the report shows it for repeating the run.

    Passwords in addresses are left out. On a cluster, paths are kept as they are; else they are
    made absolute.
    """
    if on_cluster:
        return redacted(config.model_dump_json(exclude={*_WITHOUT_EFFECT, "root"}))
    return redacted(
        _with_absolute_paths(config).model_dump_json(exclude={*_WITHOUT_EFFECT, "kubeflow"})
    )


def recorded_settings(config: Config) -> str:
    """Returns JSON of the settings of a run on this machine, for the history."""
    return _with_absolute_paths(config).model_dump_json(exclude={"kubeflow"})


def _with_absolute_paths(config: Config) -> Config:
    source, schema = config.data.source, config.data.curated_schema
    if source is not None and Path(source).exists():
        source = str(Path(source).absolute())
    decisions = config.data.convert.decisions
    convert = {"decisions": decisions and decisions.absolute()}
    data = {
        "source": source,
        "curated_schema": schema and schema.absolute(),
        "convert": config.data.convert.model_copy(update=convert),
    }
    pusher = {"destination": config.pusher.destination and config.push_path}
    return config.model_copy(
        update={
            "root": config.root_path,
            "data": config.data.model_copy(update=data),
            "pusher": config.pusher.model_copy(update=pusher),
        }
    )
