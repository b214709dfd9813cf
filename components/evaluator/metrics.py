"""The table of metrics that describe a model.

Everything that computes, bounds or shows metrics reads this table. A new metric is a row here, and
a setting in `components.evaluator.settings` if it has a bound. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from components.evaluator.results.answer_table import ModelAnswers

Figures = Mapping[str, float]
"""Values by metric name; missing where not measured."""
Cells = Mapping[tuple[int, int], float]
"""A sparse confusion matrix: image counts by true label and predicted label."""


@dataclass(frozen=True)
class TfmaClass:
    """A metric class of TFMA, or of Keras through TFMA."""

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """One figure over the eval split, and over each slice of it."""

    name: str
    """Name in TFMA's results, in ML Metadata, and in CSV and JSON files."""
    title: str
    column: str
    """Heading of a narrow column."""
    meaning: str
    computed_by: TfmaClass | Callable[[Cells], float]
    """How TFMA computes it; a function gets the confusion matrix."""
    per_picture: Callable[[ModelAnswers], NDArray[np.float64]] | None = None
    """Values of single images, `(n,)`, whose mean is the figure. Its confidence interval is
    computed from them; without them it has none."""
    is_share: bool = False
    """Whether it is a share of images: each value is 0 or 1."""
    mean_over_breeds: bool = False
    """Whether it is the mean of the classes' shares, so that each class counts the same."""
    higher_is_better: bool = True
    digits: int = 3
    """Decimal places in the terminal."""
    bound: str | None = None
    """Setting of the Evaluator that is its lower bound over the whole eval split."""

    def written(self, value: float | None) -> str:
        """Formats a value; `-` for None."""
        return "-" if value is None else f"{value:.{self.digits}f}"


def mean_recall(confusion: Cells) -> float:
    """Returns the mean recall over all classes that have images."""
    pictures: defaultdict[int, float] = defaultdict(float)
    for (truth, _), count in confusion.items():
        pictures[truth] += count
    return statistics.fmean(
        confusion.get((breed, breed), 0.0) / count for breed, count in pictures.items()
    )


def error_reduction(confusion: Cells) -> float:
    """Returns by what share errors are fewer than those of naming the majority class every time.

    Of images of one class alone it is 1 without errors, else 0.
    """
    pictures: defaultdict[int, float] = defaultdict(float)
    errors = 0.0
    for (truth, named), count in confusion.items():
        pictures[truth] += count
        errors += count * (truth != named)
    majority_errors = sum(pictures.values()) - max(pictures.values())
    return 1 - errors / majority_errors if majority_errors else float(not errors)


ACCURACY = Metric(
    name="accuracy",
    title="Accuracy",
    column="Accuracy",
    meaning="The share of eval pictures whose breed is the one that the model names first.",
    computed_by=TfmaClass("SparseCategoricalAccuracy"),
    per_picture=lambda answers: answers.right,
    is_share=True,
    bound="min_accuracy",
)
"""The metric that has bounds within breeds and slices and against the served model, too."""

METRICS = (
    ACCURACY,
    Metric(
        name="top_5_accuracy",
        title="Top-5 accuracy",
        column="Top-5",
        meaning="The share of eval pictures whose breed is among the five that the model holds "
        "most probable.",
        computed_by=TfmaClass("SparseTopKCategoricalAccuracy", {"k": 5}),
        per_picture=lambda answers: answers.in_top_5,
        is_share=True,
        bound="min_top_5_accuracy",
    ),
    Metric(
        name="loss",
        title="Loss",
        column="Loss",
        meaning="How surprised the model is by the true breeds: the mean cross-entropy in nats, 0 "
        "where it is certain of each of them.",
        computed_by=TfmaClass("SparseCategoricalCrossentropy"),
        per_picture=lambda answers: answers.cross_entropy,
        higher_is_better=False,
    ),
    Metric(
        name="balanced_accuracy",
        title="Balanced accuracy",
        column="Balanced",
        meaning="The mean of the breeds' own accuracies, in which a breed with few eval pictures "
        "counts as much as one with many.",
        computed_by=mean_recall,
        per_picture=lambda answers: answers.right,
        mean_over_breeds=True,
        bound="min_balanced_accuracy",
    ),
    Metric(
        name="error_reduction",
        title="Error reduction",
        column="Fewer errors",
        meaning="By what share it makes fewer errors than naming the most frequent breed for every "
        "picture: 0 is no better than that, 1 is without error.",
        computed_by=error_reduction,
        bound="min_error_reduction",
    ),
)
"""Every metric, in the order in which people see them."""
METRIC_BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}

EXAMPLE_COUNT = "example_count"
EXAMPLE_COUNT_CLASS = "ExampleCount"
"""TFMA's class of it."""
SLICE_ACCURACY = "slice_accuracy"
"""Metric of the bounds on slices: the accuracy, or 1 where a slice has too few images."""
CONFUSION = "confusion"
CALIBRATION = "calibration"
"""Plot of the top-1 probability against the fraction correct."""
CALIBRATION_BINS = 10
"""Bins of equal width in it."""
BASELINE = "baseline"
"""Name of the served model in TFMA; the new one's is empty or `candidate`."""
HAIR = 1e-6
"""Tolerance of bounds. What equals its bound must pass, but TFMA's accuracies have 32 bits, so that
14 of 20 would miss 0.7, and it wants a drop to be less than its bound."""
