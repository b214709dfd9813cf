"""Reads a configuration and reports all its mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from foundation.errors import UserError
from foundation.settings import mistakes_in_words, set_at
from pipeline.config.config import Config

_BUILT_IN_DIR = Path(__file__).parents[2] / "configs"
SAMPLE_CONFIG = _BUILT_IN_DIR / "sample.yaml"
"""The configuration of a run that names none."""
TRANSFER_CONFIG = _BUILT_IN_DIR / "transfer.yaml"
"""The best configuration for the user's own photographs."""


def load_config(
    path: Path | None = None, overrides: Sequence[str] = (), *, source: str | None = None
) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file, or else the name of a built-in one, such as `stanford-dogs` or
            `configs/stanford-dogs.yaml`. None means the built-in sample's.
        overrides: `dotted.key=value` each, the value in YAML; later ones win.
        source: replaces `data.source` as it stands, without YAML parsing.

    Raises:
        UserError: the file cannot be read, or anything in it or in `overrides` is wrong.
    """
    settings = _read_yaml(_existing(path) if path else SAMPLE_CONFIG)
    for override in overrides:
        _apply(settings, override)
    if source is not None:
        settings["data"] = {**(settings.get("data") or {}), "source": source}
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in mistakes_in_words(error, Config))
        where = f" ({path})" if path else ""
        raise UserError(f"The configuration{where} has mistakes:\n{problems}") from None


def _existing(path: Path) -> Path:
    """Returns the path, or the built-in configuration of that name if it does not exist."""
    if path.is_file():
        return path
    built_in = {each.stem: each for each in sorted(_BUILT_IN_DIR.glob("*.yaml"))}
    if path.parent in (Path(), Path(_BUILT_IN_DIR.name)) and path.suffix in ("", ".yaml"):
        path = built_in.get(path.stem, path)
    if not path.exists():
        raise UserError(
            f"There is no configuration {path}. Name a file, or one of those that come with "
            f"dogbreed: {', '.join(built_in)}."
        )
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The configuration {path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The configuration {path} is not YAML: {reason}.") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"The configuration {path} must be a mapping of keys to values.")
    return settings


def _apply(settings: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set wants KEY=VALUE such as trainer.epochs=5, got '{override}'.")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = value
    set_at(settings, parts, parsed)
