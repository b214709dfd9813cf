"""The metrics over the whole eval split, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.evaluator.metrics import METRICS
from components.evaluator.results.answer_table import AnswerTable, ModelAnswers
from components.evaluator.results.calibration import gaps_by_bin
from components.evaluator.results.tfma import SliceResult
from components.evaluator.results.values import Figure, Interval

RESAMPLES = 1000
"""Bootstrap samples: enough for the second digit of an interval."""
_SEED = 0
_LEVEL = 0.95
_TAILS = (2.5, 97.5)  # percentiles


def resampled_means(
    rows: NDArray[np.float64], labels: NDArray[np.int32] | None = None
) -> NDArray[np.float64]:
    """Returns the mean of each row over each bootstrap sample.

    Args:
        rows: `(r, n)`: r values of each of n images; all r are drawn together.
        labels: `(n,)`: classes, to return the mean of the class means.

    Returns:
        `(r, RESAMPLES)`, deterministic.
    """
    num_pictures = rows.shape[1]
    rng = np.random.default_rng(_SEED)
    means = np.empty((len(rows), RESAMPLES))
    for place in range(RESAMPLES):
        drawn = rng.integers(num_pictures, size=num_pictures)
        times = np.bincount(drawn, minlength=num_pictures)
        means[:, place] = mean_over(rows, times, labels)
    return means


def mean_over(
    rows: NDArray[np.float64], times: NDArray[np.int64], labels: NDArray[np.int32] | None
) -> NDArray[np.float64]:
    """Returns the mean of each row, `(r,)`, where `times` `(n,)` says how often an image counts.

    Args:
        rows: `(r, n)`: r values of each of n images.
        times: `(n,)`.
        labels: `(n,)`: classes, to return the mean of the means of all classes drawn, if any.
    """
    if labels is None:
        return np.asarray(rows @ times / times.sum())
    counts = np.bincount(labels, weights=times)
    sums = np.array([np.bincount(labels, weights=row * times) for row in rows])
    shares = sums[:, counts > 0] / counts[counts > 0]
    return np.asarray(shares.mean(axis=1))


def percentile_interval(resampled: NDArray[np.float64]) -> Interval:
    """Returns the 95 % interval of `(RESAMPLES,)` values."""
    low, high = np.percentile(resampled, _TAILS)
    return Interval(float(low), float(high))


def share_interval(count: int, out_of: int) -> Interval | None:
    """Returns Wilson's interval of `count` out of `out_of`; None for 0 of 0.

    It also holds for few images: a bootstrap of a class that is all correct has no width.
    """
    if not out_of:
        return None
    interval = binomtest(count, out_of).proportion_ci(_LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap intervals of one model's figures, all over the same samples of images."""

    figures: Mapping[str, Interval]
    ece: Interval
    """Of the expected calibration error."""


def bootstrap(table: AnswerTable, answers: ModelAnswers) -> Bootstrap | None:
    """Computes a model's intervals from its answers; None where there are too few images."""
    if len(table.labels) <= 1:
        return None
    intervals: dict[str, Interval] = {}
    for labels, of_metric in (
        (None, per_picture_values(answers, mean_over_breeds=False)),
        (table.labels, per_picture_values(answers, mean_over_breeds=True)),
    ):
        if of_metric:
            means = resampled_means(np.vstack(list(of_metric.values())), labels)
            intervals |= dict(zip(of_metric, map(percentile_interval, means), strict=True))
    return Bootstrap(intervals, _ece_interval(answers))


def _ece_interval(answers: ModelAnswers) -> Interval:
    gaps = gaps_by_bin(answers.guess_probabilities[:, 0], answers.right)
    errors = np.abs(resampled_means(gaps)).sum(axis=0)
    # Sampling adds noise to each bin, and the error counts noise of either sign: this bias of the
    # samples is subtracted.
    measured = np.abs(gaps.mean(axis=1)).sum()
    return percentile_interval(np.maximum(errors - errors.mean() + measured, 0))


def per_picture_values(
    answers: ModelAnswers, *, mean_over_breeds: bool
) -> dict[str, NDArray[np.float64]]:
    """Returns the values of images, `(n,)` each, of the metrics that average classes or images."""
    return {
        metric.name: metric.per_picture(answers)
        for metric in METRICS
        if metric.per_picture is not None and metric.mean_over_breeds == mean_over_breeds
    }


def read_figures(
    overall: SliceResult, model: Bootstrap | None, baseline: Bootstrap | None
) -> tuple[Figure, ...]:
    """Combines TFMA's figures over the whole eval split with their intervals."""
    return tuple(
        Figure(
            name=metric.name,
            title=metric.title,
            value=overall.model.figures[metric.name],
            interval=model.figures.get(metric.name) if model is not None else None,
            baseline=overall.baseline.figures.get(metric.name),
            baseline_interval=baseline.figures.get(metric.name) if baseline is not None else None,
            higher_is_better=metric.higher_is_better,
            meaning=metric.meaning,
        )
        for metric in METRICS
    )
