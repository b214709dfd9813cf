"""What is wrong with a configuration, in the words of who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError


def in_words(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    """Yields one line for each mistake, which begins with the dotted key.

    Args:
        error: what pydantic found.
        root: the settings group that it was validating.
    """
    for problem in error.errors():
        path, group = _walk(root, problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden" and group is not None:
            name = str(problem["loc"][-1])
            close = difflib.get_close_matches(name, group.model_fields, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            yield f"{path}: unknown key.{hint} Valid keys: {', '.join(group.model_fields)}."
        elif not path:  # the root's own checks name their keys themselves
            yield from message.splitlines()
        elif isinstance(
            problem["input"], dict | list | tuple
        ):  # a whole group would bury the message
            yield f"{path}: {message}."
        else:
            yield f"{path}: {message}, got {problem['input']!r}."


def _walk(
    root: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[str, type[BaseModel] | None]:
    """Follows an error's place through the settings groups.

    Returns:
        The dotted key as a user writes it, and the group that its last part belongs to.
    """
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
        if in_mapping:  # a key of the user's own, in front of a group
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
    """Yields every settings group in a type, looking through unions and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _groups(argument)
