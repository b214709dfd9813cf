"""Reads a configuration and reports every mistake in it at once, in the user's words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import Config
from pipeline.errors import UserError

SAMPLE_CONFIG = Path(__file__).parents[1] / "configs" / "sample.yaml"
"""The configuration of a run that names none."""


def load_config(
    path: Path | None = None, overrides: Sequence[str] = (), *, source: str | None = None
) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file; None means the built-in sample's.
        overrides: `dotted.key=value` each, the value in YAML; later ones win.
        source: takes the place of `data.source` as it stands, whatever YAML would make of it.

    Raises:
        UserError: the file cannot be read, or anything in it or in `overrides` is wrong.
    """
    settings = _read_yaml(path) if path else _read_yaml(SAMPLE_CONFIG)
    for override in overrides:
        _apply(settings, override)
    if source is not None:
        settings["data"] = {**(settings.get("data") or {}), "source": source}
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in _in_words(error))
        where = f" ({path})" if path else ""
        raise UserError(f"The configuration{where} has mistakes:\n{problems}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no configuration {path}.") from None
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
    group = settings
    for part in parts[:-1]:
        inner = group.get(part)
        if isinstance(inner, str):  # `network: dog_cnn` stands for `network: {name: dog_cnn}`
            inner = {"name": inner}
        group[part] = dict(inner) if isinstance(inner, dict) else {}
        group = group[part]
    group[parts[-1]] = parsed


def _in_words(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        path, group = _walk(problem["loc"])
        if problem["type"] == "extra_forbidden" and group is not None:
            name = str(problem["loc"][-1])
            close = difflib.get_close_matches(name, group.model_fields, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            yield f"{path}: unknown key.{hint} Valid keys: {', '.join(group.model_fields)}."
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{path}: {message}, got {problem['input']!r}."


def _walk(location: tuple[int | str, ...]) -> tuple[str, type[BaseModel] | None]:
    """Follows an error's place through the settings groups.

    Returns:
        The dotted key as a user writes it, and the group that its last part belongs to.
    """
    group: type[BaseModel] | None = Config
    candidates: list[type[BaseModel]] = [Config]
    parts: list[str] = []
    for part in location:
        tagged = [each for each in candidates if _tag(each) == part]
        if len(candidates) > 1 and tagged:  # pydantic names the union's member, users do not
            candidates = tagged
            continue
        parts.append(str(part))
        group = candidates[0] if len(candidates) == 1 else None
        field = group.model_fields.get(str(part)) if group else None
        candidates = list(_groups(field.annotation)) if field else []
    return ".".join(parts), group


def _tag(group: type[BaseModel]) -> Any:
    return group.model_fields["name"].default if "name" in group.model_fields else None


def _groups(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields every settings group in a type, looking through unions and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _groups(argument)
