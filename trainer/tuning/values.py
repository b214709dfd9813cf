"""Converts a trial's values to training settings; free of TensorFlow and keras-tuner."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from foundation.settings import mistakes_in_words, set_at, value_at
from trainer.training.config import TrainerConfig
from trainer.tuning.config import TunerConfig

_JSON_STARTS = ("[", "{")


def encode_choice(choice: Any) -> Any:
    """Encodes lists and mappings as JSON, because keras-tuner takes scalars only."""
    return json.dumps(choice) if isinstance(choice, list | tuple | dict) else choice


def apply_values(config: TrainerConfig, values: Mapping[str, Any]) -> TrainerConfig:
    """Returns settings with some of them replaced.

    Args:
        config: the settings.
        values: new values by dotted key, lists and mappings possibly as JSON. A group's name alone,
            such as `optimizer: sgd`, selects that optimizer's defaults, unless it is configured
            already.

    Raises:
        pydantic.ValidationError: there is no such setting, or the value is out of bounds.
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
    """Returns settings with the values found by a search, if there was one.

    `hyperparameters` is `keras_tuner.HyperParameters.get_config()`, as in `FnArgs`.
    """
    if hyperparameters is None:
        return config
    return apply_values(config, _values_of(hyperparameters))


def searched_configs(tuner: TunerConfig | None, trainer: TrainerConfig) -> Iterator[TrainerConfig]:
    """Yields `trainer`, then settings in which every choice and both ends of each range appear."""
    yield trainer
    for values in _samples(tuner) if tuner is not None else ():
        yield apply_values(trainer, values)


def searched_values(config: TrainerConfig, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the searched settings by dotted key, with the values used in training."""
    found = apply_hyperparameters(config, hyperparameters)
    values = _values_of(hyperparameters)
    # A group's values speak for themselves only as they were written.
    return {
        key: value if isinstance(value, str) else value_at(found, key)
        for key, value in values.items()
    }


def _values_of(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the search space, without Hyperband's own entries."""
    values = {}
    for entry in hyperparameters["space"]:
        setting = entry["config"]
        value = hyperparameters["values"][setting["name"]]
        if "max_value" in setting:  # rounding, and keras-tuner's integers, can exceed it
            value = min(max(value, setting["min_value"]), setting["max_value"])
        values[setting["name"]] = value
    return values


def _name_at(config: TrainerConfig, key: str) -> Any:
    group: Any = config
    for part in key.split("."):
        group = getattr(group, part, None)
    return getattr(group, "name", None)


def values_in_words(values: Mapping[str, Any]) -> str:
    """Formats values for people, as `learning_rate 0.0123, network.width 16`."""
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


_NOT_SEARCHED = {
    "epochs": "every trial trains as long; set tuner.epochs instead",
    "max_steps": "every trial trains as long; set tuner.epochs instead",
    "logical_devices": "the processor is split once, before the first trial",
}


def tuner_mistakes(tuner: TunerConfig, trainer: TrainerConfig) -> tuple[str, ...]:
    """Lists the mistakes in a search's settings, one line each, without duplicates."""
    mistakes = dict.fromkeys(_plain_mistakes(tuner, trainer))
    if not mistakes:
        mistakes = dict.fromkeys(_values_out_of_bounds(tuner, trainer))
    if not mistakes:
        mistakes = dict.fromkeys(_values_of_no_use(tuner, trainer))
    return tuple(mistakes)


def _plain_mistakes(tuner: TunerConfig, trainer: TrainerConfig) -> Iterator[str]:
    if tuner.epochs is not None and tuner.epochs > trainer.epochs:
        yield f"tuner.epochs: {tuner.epochs} is more than trainer.epochs, {trainer.epochs}."
    for key, setting in tuner.space.items():
        place = f"tuner.space.{key}"
        if key.startswith("trainer."):
            yield f"{place}: keys of the space are below trainer: {key.removeprefix('trainer.')}."
        if key in _NOT_SEARCHED:
            yield f"{place}: cannot be searched: {_NOT_SEARCHED[key]}."
        if tuner.algorithm == "grid" and setting.choices is None and setting.step is None:
            yield f"{place}: a grid needs choices, or a range with a step."


def _values_out_of_bounds(tuner: TunerConfig, trainer: TrainerConfig) -> Iterator[str]:
    """Validates each choice and end of a range, alone and in pairs, against the settings."""
    for values in _samples(tuner):
        try:
            apply_values(trainer, values)
        except ValidationError as error:
            for line in mistakes_in_words(error, TrainerConfig):
                key = line.partition(":")[0]
                searched = any(f"{name}.".startswith(f"{key}.") for name in tuner.space)
                yield f"tuner.space{'.' if searched else ': '}{line}"


def _values_of_no_use(tuner: TunerConfig, trainer: TrainerConfig) -> Iterator[str]:
    """Finds values that the settings allow, but no search can use."""
    first = _first_values(tuner)
    kinds = apply_values(trainer, first)
    for key, setting in tuner.space.items():
        place = f"tuner.space.{key}"
        for corner in setting.corners:
            groups = {name: value for name, value in first.items() if key.startswith(f"{name}.")}
            changed = apply_values(trainer, {**groups, key: encode_choice(corner)})
            if changed.network.image != trainer.network.image:
                yield (
                    f"{place}: {corner} changes the network's input picture, which Transform makes "
                    f"before the search; set trainer.{key} for a run of its own."
                )
        if setting.choices is None:
            kind = type(value_at(kinds, key))
            if kind not in (int, float):
                yield f"{place}: is no number; give choices."
            elif kind is int and setting.step is not None and setting.step % 1:
                yield f"{place}.step: must be a whole number, not {setting.step:g}."


def _samples(tuner: TunerConfig) -> Iterator[dict[str, Any]]:
    """Yields values in which every two corners of two settings meet at least once."""
    first = _first_values(tuner)
    for key, setting in tuner.space.items():
        for corner in setting.corners:
            yield {**first, key: encode_choice(corner)}
    for (key, setting), (other_key, other) in itertools.combinations(tuner.space.items(), 2):
        for corner, other_corner in itertools.product(setting.corners, other.corners):
            yield {**first, key: encode_choice(corner), other_key: encode_choice(other_corner)}


def _first_values(tuner: TunerConfig) -> dict[str, Any]:
    return {key: encode_choice(setting.corners[0]) for key, setting in tuner.space.items()}
