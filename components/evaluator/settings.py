"""The Evaluator's settings: bounds that a model must keep to be pushed."""

from __future__ import annotations

from pydantic import Field

from foundation.settings import Settings


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
    report_only: bool = False
    """Measure and show everything, name what is missed, and refuse nothing: every model is blessed.
    The canary still counts."""
