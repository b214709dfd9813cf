"""The Evaluator's settings: bounds that a model must keep to be pushed."""

from __future__ import annotations

from pydantic import Field

from foundation.settings import Settings


class EvaluatorConfig(Settings):
    """What a model must reach to be pushed. Accuracies are shares between 0 and 1."""

    min_accuracy: float = Field(default=0.9, ge=0, le=1)
    """Lower bound of the accuracy over the whole eval split."""
    min_top_5_accuracy: float = Field(default=0.95, ge=0, le=1)
    """Lower bound of the share of pictures whose breed is among the five most probable."""
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
