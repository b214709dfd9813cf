"""Settings by dotted key, such as `optimizer.weight_decay`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel


def set_at(settings: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Sets one setting in place, making the groups above it where there are none.

    Args:
        settings: nested mappings, as in a configuration file. Groups on the way are copied first,
            so that whoever else holds them sees no change.
        parts: the key, split at its dots.
        value: the new value.
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
    """Returns one setting of a configuration."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
