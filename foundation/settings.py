"""Settings groups, and access to settings by dotted key such as `optimizer.weight_decay`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator


def mistakes_in_words(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    """Yields one line per validation error of the group `root`, beginning with the dotted key."""
    for problem in error.errors():
        path, group = _walk(root, problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden" and group is not None:
            name = str(problem["loc"][-1])
            close = difflib.get_close_matches(name, group.model_fields, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            yield f"{path}: unknown key.{hint} Valid keys: {', '.join(group.model_fields)}."
        elif not path:  # checks of the root name their keys themselves
            yield from message.splitlines()
        elif (  # a whole group would bury the message
            isinstance(problem["input"], dict | list | tuple) or repr(problem["input"]) in message
        ):
            yield f"{path}: {message}."
        else:
            yield f"{path}: {message}, got {problem['input']!r}."


def _walk(
    root: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[str, type[BaseModel] | None]:
    """Returns an error's location as a dotted key, and the group of the key's last part."""
    group: type[BaseModel] | None = root
    candidates: list[type[BaseModel]] = [root]
    in_mapping = False
    parts: list[str] = []
    for part in location:
        tagged = [each for each in candidates if _tag(each) == part]
        if len(candidates) > 1 and tagged:  # pydantic names the union's member, users do not
            candidates = tagged
            continue
        parts.append(str(part))
        if in_mapping:  # a key that the user chose, above a group
            in_mapping = False
            continue
        group = candidates[0] if len(candidates) == 1 else None
        field = group.model_fields.get(str(part)) if group else None
        candidates = list(_groups(field.annotation)) if field else []
        in_mapping = field is not None and get_origin(field.annotation) is dict
    return ".".join(parts), group


def _tag(group: type[BaseModel]) -> Any:
    return group.model_fields["name"].default if "name" in group.model_fields else None


def _groups(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields every settings group in a type annotation, also within unions and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _groups(argument)


_BRACKETS = frozenset("[](){}")  # a list of lists, which is not ours to take apart


class Settings(BaseModel):
    """Base of every settings group: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_with_commas(cls, values: Any) -> Any:
        """Takes `a,b` for a list, because a shell wants quotes around `[a, b]`."""
        if not isinstance(values, Mapping):
            return values
        return {
            key: [part.strip() for part in value.split(",")]
            if isinstance(value, str)
            and (field := cls.model_fields.get(key)) is not None
            and get_origin(field.annotation) is tuple
            and not _BRACKETS.intersection(value)
            else value
            for key, value in values.items()
        }


def name_alone(value: Any) -> Any:
    """Returns `{name: VALUE}` for a string, so that `network: dog_cnn` is enough."""
    return {"name": value} if isinstance(value, str) else value


def set_at(settings: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Sets one setting in nested mappings in place; `parts` are those of the dotted key.

    Missing groups are created; existing ones on the way are copied first, because others may hold
    them.
    """
    group = settings
    for part in parts[:-1]:
        inner = group.get(part)
        if isinstance(inner, str):  # `network: dog_cnn` stands for `network: {name: dog_cnn}`
            inner = {"name": inner}
        group[part] = dict(inner) if isinstance(inner, dict) else {}
        group = group[part]
    group[parts[-1]] = value


def value_at(config: BaseModel, key: str) -> Any:
    """Returns one setting by its dotted key."""
    value: Any = config
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value
