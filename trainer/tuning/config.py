"""Typed settings of the hyper-parameter search.

Used outside TFX too, so this module imports neither TensorFlow nor keras-tuner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import Self

from foundation.settings import Settings


def _not_nothing(choice: Any) -> Any:
    if choice is None:
        raise ValueError("a choice cannot be empty")
    return choice


class SearchedSetting(Settings):
    """The values that a search tries for one setting: a list of choices, or a range."""

    choices: tuple[Annotated[Any, AfterValidator(_not_nothing)], ...] | None = Field(
        default=None, min_length=1
    )
    """The values to choose from."""
    min: float | None = None
    """The lowest value of a range."""
    max: float | None = None
    """The highest value of a range."""
    log: bool = False
    """Whether values are spread evenly over the range's orders of magnitude."""
    step: float | None = Field(default=None, gt=0)
    """Distance between two values of a range, or their quotient if `log`; nothing means any."""

    @model_validator(mode="after")
    def _either_choices_or_range(self) -> Self:
        if self.choices is not None:
            if self.log or (self.min, self.max, self.step) != (None, None, None):
                raise ValueError("give either choices, or min and max")
            return self
        if self.min is None or self.max is None:
            raise ValueError("give choices, or both min and max")
        if self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be less than max {self.max:g}")
        if self.log and self.min <= 0:
            raise ValueError(f"with log, min must be above 0, not {self.min:g}")
        if self.log and self.step is not None and self.step <= 1:
            raise ValueError(f"with log, step is a factor and must be above 1, not {self.step:g}")
        return self

    @property
    def corners(self) -> tuple[Any, ...]:
        """All choices, or both ends of the range: values to check against a setting's bounds."""
        return self.choices if self.choices is not None else (self.min, self.max)


_KEYS = frozenset(SearchedSetting.model_fields)


def _flattened(space: Any) -> Any:
    """Flattens `{optimizer: {momentum: {...}}}`, from `--set`, to `{optimizer.momentum: ...}`.

    Where a setting has both spellings, later parts are merged into earlier ones.
    """
    if not isinstance(space, Mapping):
        return space
    flat: dict[str, Any] = {}
    for key, value in space.items():
        inner = {str(key): value}
        if isinstance(value, Mapping) and value and _is_group(value):
            inner = {f"{key}.{name}": each for name, each in _flattened(value).items()}
        for name, each in inner.items():
            before = flat.get(name)
            merge = isinstance(before, Mapping) and isinstance(each, Mapping)
            flat[name] = {**before, **each} if merge else each  # type: ignore[dict-item]
    return flat


def _is_group(value: Mapping[Any, Any]) -> bool:
    return not _KEYS & value.keys() and all(isinstance(each, Mapping) for each in value.values())


class TunerConfig(Settings):
    """The search for the training's best settings before the training itself."""

    algorithm: Literal["random", "bayesian", "hyperband", "grid"] = "random"
    """How the next trial's values are chosen: at random; where a Gaussian process fitted to earlier
    trials expects the best; at random, with few epochs for most and more for the best (Hyperband,
    https://arxiv.org/abs/1603.06560); or all combinations one after the other."""
    trials: int = Field(default=10, ge=1)
    """Trainings to try at most."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes over the training split in one trial, at most trainer.epochs; nothing means as
    many."""
    objective: Literal["accuracy", "loss"] = "accuracy"
    """What makes a trial the best: the highest accuracy or the lowest loss over the eval split."""
    space: Annotated[dict[str, SearchedSetting], BeforeValidator(_flattened)] = Field(
        default={"learning_rate": SearchedSetting(min=1e-4, max=1e-1, log=True)}, min_length=1
    )
    """What is searched: a key below `trainer`, such as optimizer.weight_decay, with its `choices`,
    or with `min`, `max` and if wanted `step` and `log`."""
