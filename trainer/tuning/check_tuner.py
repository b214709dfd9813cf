"""Whether a hyper-parameter search could run: the values it may try are tried on the settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from foundation.mistakes import in_words
from foundation.settings import value_at
from trainer.training.config import TrainerConfig
from trainer.tuning.config import TunerConfig
from trainer.tuning.values import apply_values, encode_choice

_NOT_SEARCHED = {
    "epochs": "every trial trains as long; set tuner.epochs instead",
    "max_steps": "every trial trains as long; set tuner.epochs instead",
    "logical_devices": "the processor is split once, before the first trial",
}


def tuner_mistakes(tuner: TunerConfig, trainer: TrainerConfig) -> tuple[str, ...]:
    """Lists what is wrong with a search, one line each, none twice.

    Args:
        tuner: the search.
        trainer: the settings that it starts from.
    """
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
    """Tries each choice and end, and any two of them together, in the settings themselves."""
    for values in _samples(tuner):
        try:
            apply_values(trainer, values)
        except ValidationError as error:
            for line in in_words(error, TrainerConfig):
                key = line.partition(":")[0]
                searched = any(f"{name}.".startswith(f"{key}.") for name in tuner.space)
                yield f"tuner.space{'.' if searched else ': '}{line}"


def _values_of_no_use(tuner: TunerConfig, trainer: TrainerConfig) -> Iterator[str]:
    """Finds what the settings allow, but no search can do."""
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
