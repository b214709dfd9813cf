"""Keeps a run from pushing again what a rollback took out of service."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.errors import UserError
from foundation.versions import Rollback, list_versions, read_about, read_rollback
from pipeline.config.config import Config
from pipeline.config.serialise import settings_of


def refuse_what_was_given_up(config: Config, recipe: str) -> None:
    """Refuses a run that could only lead to the model that was rolled back.

    Runs with another recipe, other bounds or without the cache may go on.

    Raises:
        UserError: the same recipe and bounds led to a version that was rolled back.
    """
    if not config.pusher.enabled or not config.cache:
        return
    rollback = _given_up(config.push_path, recipe)
    if rollback is None or not _same(rollback.bounds or {}, bounds_of(config)):
        return
    when = datetime.datetime.fromisoformat(rollback.rolled_back_at).astimezone()
    why = f": {rollback.reason}" if rollback.reason else ""
    other = "a setting of the training"
    if rollback.bounds is not None:
        other += " or a bound, such as evaluator.min_accuracy"
    raise UserError(
        f"Nothing has changed since version {rollback.replaced} was rolled back "
        f"({when:%Y-%m-%d %H:%M}{why}): the same model would be pushed once more. Change {other}, "
        "or train and push it all the same with --fresh."
    )


def bounds_of(config: Config) -> dict[str, Any]:
    """Returns the settings that decide whether a model is pushed."""
    return settings_of(config, "evaluator", "canary")


def _given_up(push_path: Path, recipe: str) -> Rollback | None:
    """Finds the last rollback if it took this recipe's model out of service."""
    for version in reversed(list_versions(push_path)):
        path = push_path / str(version)
        if read_about(path).get("recipe") == recipe:
            return None
        rollback = read_rollback(path)
        if rollback is not None and rollback.replaced_recipe == recipe:
            return rollback
    return None


def _same(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    """Compares recorded settings; a later version of dogbreed may have more."""
    return all(
        _same(value, current[name])
        if isinstance(value, dict) and isinstance(current.get(name), dict)
        else current.get(name) == value
        for name, value in recorded.items()
    )
