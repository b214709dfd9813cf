"""The Evaluator's settings: bounds that a model must keep to be pushed."""

from __future__ import annotations

from pydantic import Field, model_validator

from foundation.settings import Settings


class MaxDrop(Settings):
    """By how much the accuracy may drop on worse pictures, against the same as they are.

    Nothing means no such bound.
    """

    rotation: float | None = Field(default=None, ge=0, le=1)
    """Held askew."""
    blur: float | None = Field(default=None, ge=0, le=1)
    """Out of focus."""
    jpeg: float | None = Field(default=None, ge=0, le=1)
    """Compressed to a very low JPEG quality."""
    darkness: float | None = Field(default=None, ge=0, le=1)
    """Taken with too little light."""
    grey: float | None = Field(default=None, ge=0, le=1)
    """Without colours."""
    size: float | None = Field(default=None, ge=0, le=1)
    """With few pixels."""


class RobustnessConfig(Settings):
    """How the model takes pictures that are worse than the eval split's; the report shows it."""

    pictures: int = Field(default=100, ge=0)
    """Eval pictures to ask about, as they are and changed in each way; always the same of them. 0
    asks about none. The report has the accuracy on them."""
    max_drop: MaxDrop = MaxDrop()
    """Bounds, by the kind of change."""

    @model_validator(mode="after")
    def _measured_if_bounded(self) -> RobustnessConfig:
        if not self.pictures and any(each is not None for _, each in self.max_drop):
            raise ValueError("pictures is 0, but max_drop has a bound, which needs some")
        return self


class EvaluatorConfig(Settings):
    """What a model must reach to be pushed. Accuracies are shares between 0 and 1."""

    min_error_reduction: float | None = Field(default=0.1, ge=0, le=1)
    """Lower bound of the share by which the model makes fewer errors over the whole eval split than
    a classifier that names the majority class, the most frequent breed, for every picture: 0 is no
    better than that, 1 is without error. It fits any number of breeds: where all are equally
    frequent, 0.1 is an accuracy of 0.55 for 2 breeds, 0.19 for 10 and 0.11 for 120. Nothing means
    no such bound."""
    min_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Lower bound of the accuracy over the whole eval split; nothing means no such bound."""
    min_top_5_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Lower bound of the share of pictures whose breed is among the five most probable; nothing
    means no such bound."""
    min_balanced_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Lower bound of the mean of the breeds' own accuracies, which a few large breeds cannot hold
    up; nothing means no such bound."""
    min_breed_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Lower bound of the accuracy within each single breed; nothing means no such bound."""
    max_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    """How much lower than the baseline's the accuracy may be."""
    slices: tuple[str, ...] = ()
    """Features within whose values the model is measured too: `picture_size` (`small` where the
    shorter side has less than 128 pixels, `medium` below 256, else `large`), `shape` (`landscape`,
    `portrait`, `square`), `colour` (`grey`, `muted`, `vivid`), `source` (the first folder in the
    file's name that is not its breed's own), or any feature in the records."""
    min_slice_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Lower bound of the accuracy within each such slice; nothing means no such bound."""
    min_slice_pictures: int = Field(default=20, ge=1)
    """Eval pictures that a slice must have for `min_slice_accuracy` to hold it."""
    robustness: RobustnessConfig = RobustnessConfig()
    report_only: bool = False
    """Measure and show everything, name what is missed, and refuse nothing: every model is blessed.
    The canary still counts."""
