"""Reads a configuration and reports all its mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from foundation.errors import UsageError
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
            `configs/stanford-dogs.yaml`. None means the built-in sample's, without its bounds if
            other pictures are named.
        overrides: `dotted.key=value` each, the value in YAML; later ones win.
        source: replaces `data.source` as it stands, without YAML parsing.

    Raises:
        UsageError: the file cannot be read, or anything in it or in `overrides` is wrong.
    """
    settings = _read_yaml(_existing(path) if path else SAMPLE_CONFIG)
    changes = [read_override(override) for override in overrides]
    if path is None and (source or any(key == ["data", "source"] for key, _ in changes)):
        settings.pop("evaluator", None)
    for key, value in changes:
        set_at(settings, key, value)
    if source is not None:
        settings["data"] = {**(settings.get("data") or {}), "source": source}
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in mistakes_in_words(error, Config))
        where = f" ({path})" if path else ""
        raise UsageError(f"The configuration{where} has mistakes:\n{problems}") from None


def _existing(path: Path) -> Path:
    """Returns the path, or the built-in configuration of that name if it does not exist."""
    if path.is_file():
        return path
    built_in = {each.stem: each for each in sorted(_BUILT_IN_DIR.glob("*.yaml"))}
    if path.parent in (Path(), Path(_BUILT_IN_DIR.name)) and path.suffix in ("", ".yaml"):
        path = built_in.get(path.stem, path)
    if not path.exists():
        raise UsageError(
            f"There is no configuration {path}. Name a file, or one of those that come with "
            f"dogbreed: {', '.join(built_in)}."
        )
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error}.") from None
    except _RepeatedKeyError as error:
        raise UsageError(f"The configuration {path} has mistakes:\n  {error}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"The configuration {path} is not YAML: {reason}.") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UsageError(f"The configuration {path} must be a mapping of keys to values.")
    return settings


def read_override(override: str) -> tuple[list[str], Any]:
    """Returns the key of `dotted.key=value` in parts, and the value, which is YAML.

    Raises:
        UsageError: it has another form.
    """
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"--set wants KEY=VALUE such as trainer.epochs=5, got '{override}'.")
    try:
        return parts, yaml.load(value, _Loader)
    except _RepeatedKeyError as error:
        raise UsageError(f"--set {override}: {error}") from None
    except yaml.YAMLError:
        return parts, value


class _RepeatedKeyError(yaml.YAMLError):
    """A key stands twice in one mapping."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which PyYAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _RepeatedKeyError(
                    f"line {line}: {key.value} stands in line {lines[key.value]} already; keep one."
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep)
