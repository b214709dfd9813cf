"""From the values of a trial to the settings of a training; free of TensorFlow and keras-tuner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from foundation.settings import set_at, value_at
from trainer.training.config import TrainerConfig

_JSON_STARTS = ("[", "{")


def encode_choice(choice: Any) -> Any:
    """Returns what keras-tuner can keep: lists and mappings as JSON."""
    return json.dumps(choice) if isinstance(choice, list | tuple | dict) else choice


def apply_values(config: TrainerConfig, values: Mapping[str, Any]) -> TrainerConfig:
    """Returns settings with some of them replaced.

    Args:
        config: the settings.
        values: new values by dotted key, lists and mappings possibly as JSON. A group by its name
            alone, such as `optimizer: sgd`, has that optimizer's defaults, unless it is the
            configured one.

    Raises:
        pydantic.ValidationError: there is no such setting, or the value is not within its bounds.
    """
    settings = config.model_dump(mode="json")
    for key in sorted(values, key=lambda key: key.count(".")):  # a group before what is in it
        value = values[key]
        if isinstance(value, str) and value.startswith(_JSON_STARTS):
            value = json.loads(value)
        if isinstance(value, str) and _name_at(config, key) == value:
            continue
        set_at(settings, key.split("."), value)
    return TrainerConfig.model_validate(settings)


def apply_hyperparameters(
    config: TrainerConfig, hyperparameters: Mapping[str, Any] | None
) -> TrainerConfig:
    """Returns the settings that a search found, as Trainer receives them.

    Args:
        config: the settings before the search.
        hyperparameters: `keras_tuner.HyperParameters.get_config()`, as in `FnArgs`; None, where
            nothing was searched, changes nothing.
    """
    if hyperparameters is None:
        return config
    return apply_values(config, _values_of(hyperparameters))


def searched_values(config: TrainerConfig, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was searched, by dotted key, with the values that training took for it."""
    found = apply_hyperparameters(config, hyperparameters)
    values = _values_of(hyperparameters)
    # A group's values speak for themselves only as they were written.
    return {
        key: value if isinstance(value, str) else value_at(found, key)
        for key, value in values.items()
    }


def _values_of(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Picks what the space names: Hyperband keeps its own book among the values."""
    values = {}
    for entry in hyperparameters["space"]:
        setting = entry["config"]
        value = hyperparameters["values"][setting["name"]]
        if "max_value" in setting:  # rounding, and keras-tuner's whole numbers, can overstep it
            value = min(max(value, setting["min_value"]), setting["max_value"])
        values[setting["name"]] = value
    return values


def _name_at(config: TrainerConfig, key: str) -> Any:
    group: Any = config
    for part in key.split("."):
        group = getattr(group, part, None)
    return getattr(group, "name", None)


def in_words(values: Mapping[str, Any]) -> str:
    """Writes values for people, as `learning_rate 0.0123, network.width 16`."""
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )
