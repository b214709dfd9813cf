"""The metrics over the whole eval split, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.evaluator.metrics import METRICS, Metric
from components.evaluator.results.answer_table import AnswerTable, ModelAnswers
from components.evaluator.results.calibration import gaps_by_bin
from components.evaluator.results.tfma import SliceResult
from components.evaluator.results.values import Figure, Interval

RESAMPLES = 1000
"""Bootstrap samples: enough for the second digit of an interval."""
_SEED = 0
_LEVEL = 0.95
_TAILS = (2.5, 97.5)  # percentiles


def resampled_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean of each row over each bootstrap sample.

    Args:
        rows: `(r, n)`: r values of each of n images; all r are drawn together.

    Returns:
        `(r, RESAMPLES)`, deterministic.
    """
    num_pictures = rows.shape[1]
    rng = np.random.default_rng(_SEED)
    means = np.empty((len(rows), RESAMPLES))
    for place in range(RESAMPLES):
        drawn = rng.integers(num_pictures, size=num_pictures)
        means[:, place] = rows @ np.bincount(drawn, minlength=num_pictures) / num_pictures
    return means


def percentile_interval(resampled: NDArray[np.float64]) -> Interval:
    """Returns the 95 % interval of `(RESAMPLES,)` values."""
    low, high = np.percentile(resampled, _TAILS)
    return Interval(float(low), float(high))


def share_interval(count: int, out_of: int) -> Interval | None:
    """Returns Wilson's interval of `count` out of `out_of`; None for 0 of 0.

    It also holds for few images and at 0 and 1, where a bootstrap has no width.
    """
    if not out_of:
        return None
    interval = binomtest(count, out_of).proportion_ci(_LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mean_share_interval(right: NDArray[np.float64], labels: NDArray[np.int32]) -> Interval:
    """Returns the interval of the mean of the classes' accuracies, from the classes' intervals.

    It adds the squared distances of their ends from the accuracies (Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095): the classes are independent samples.

    Args:
        right: `(n,)`: 1 where an image's class was predicted, else 0.
        labels: `(n,)`: true classes.
    """
    counts = np.bincount(labels)
    times_right = np.bincount(labels, weights=right)[counts > 0].astype(int)
    counts = counts[counts > 0]
    shares = times_right / counts
    intervals = [
        share_interval(count, out_of)
        for count, out_of in zip(times_right.tolist(), counts.tolist(), strict=True)
    ]
    below, above = (
        np.linalg.norm([getattr(each, end) for each in intervals] - shares) / len(shares)
        for end in ("low", "high")
    )
    return Interval(float(shares.mean() - below), float(shares.mean() + above))


@dataclass(frozen=True)
class Intervals:
    """The intervals of one model's figures."""

    figures: Mapping[str, Interval]
    """By the metric's name."""
    ece: Interval
    """Of the expected calibration error."""


def intervals_of(table: AnswerTable, answers: ModelAnswers) -> Intervals | None:
    """Computes a model's intervals from its answers; None where there are too few images."""
    if len(table.labels) <= 1:
        return None
    return Intervals(
        {
            metric.name: _interval(metric, metric.per_picture(answers), table.labels)
            for metric in METRICS
            if metric.per_picture is not None
        },
        _ece_interval(answers),
    )


def _interval(metric: Metric, values: NDArray[np.float64], labels: NDArray[np.int32]) -> Interval:
    """Returns the interval of a metric with `values` `(n,)` of single images."""
    if metric.mean_over_breeds:
        return mean_share_interval(values, labels)
    if metric.is_share and (interval := share_interval(int(values.sum()), len(values))):
        return interval
    return percentile_interval(resampled_means(values[None, :])[0])


def _ece_interval(answers: ModelAnswers) -> Interval:
    gaps = gaps_by_bin(answers.guess_probabilities[:, 0], answers.right)
    errors = np.abs(resampled_means(gaps)).sum(axis=0)
    # Sampling adds noise to each bin, and the error counts noise of either sign: this bias of the
    # samples is subtracted.
    measured = np.abs(gaps.mean(axis=1)).sum()
    return percentile_interval(np.maximum(errors - errors.mean() + measured, 0))


def read_figures(
    overall: SliceResult, model: Intervals | None, baseline: Intervals | None
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
