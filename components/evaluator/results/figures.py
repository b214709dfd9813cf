"""The figures over the whole eval split, each with its interval."""

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
"""Draws: enough for the second digit of an interval."""
_SEED = 0
_LEVEL = 0.95
_TAILS = (2.5, 97.5)  # percentiles


def resampled_means(
    rows: NDArray[np.float64], labels: NDArray[np.int32] | None = None
) -> NDArray[np.float64]:
    """Returns the mean of each row over each draw of pictures.

    Args:
        rows: `(r, n)`: r values of each of n pictures; all r are drawn together.
        labels: `(n,)`: breeds, where the mean is to be that of the breeds' means.

    Returns:
        `(r, RESAMPLES)`, the same for the same rows.
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
    """Returns the mean of each row, `(r,)`, where each picture counts so many times.

    Args:
        rows: `(r, n)`: r values of each of n pictures.
        times: `(n,)`.
        labels: `(n,)`: breeds, where the mean is to be that of the means of all breeds that are
            drawn; None for the mean over pictures.
    """
    if labels is None:
        return np.asarray(rows @ times / times.sum())
    counts = np.bincount(labels, weights=times)
    sums = np.array([np.bincount(labels, weights=row * times) for row in rows])
    shares = sums[:, counts > 0] / counts[counts > 0]
    return np.asarray(shares.mean(axis=1))


def percentile_interval(resampled: NDArray[np.float64]) -> Interval:
    """Returns what 95 of 100 draws lie within.

    Args:
        resampled: `(RESAMPLES,)`.
    """
    low, high = np.percentile(resampled, _TAILS)
    return Interval(float(low), float(high))


def share_interval(count: int, out_of: int) -> Interval | None:
    """Returns Wilson's interval of a share, which also holds for a few pictures.

    A bootstrap would be certain of a breed whose every picture was answered rightly.

    Args:
        count: pictures that count.
        out_of: all pictures; without any there is no share.
    """
    if not out_of:
        return None
    interval = binomtest(count, out_of).proportion_ci(_LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Bootstrap:
    """Intervals of one model's figures, by the bootstrap: all over the same draws of pictures."""

    figures: Mapping[str, Interval]
    """By the name of the metric."""
    ece: Interval
    """Of the expected calibration error."""


def bootstrap(table: AnswerTable, answers: ModelAnswers) -> Bootstrap | None:
    """Works out the intervals from the answers.

    Args:
        table: the eval pictures.
        answers: what a model said of them.

    Returns:
        None where there are too few pictures to draw from.
    """
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
    # Drawing adds noise to each bin, and the error counts noise of either sign: the draws lie
    # higher than what they are drawn from, and are moved back by as much.
    measured = np.abs(gaps.mean(axis=1)).sum()
    return percentile_interval(np.maximum(errors - errors.mean() + measured, 0))


def per_picture_values(
    answers: ModelAnswers, *, mean_over_breeds: bool
) -> dict[str, NDArray[np.float64]]:
    """Returns what figures are the means of, `(n,)` each, by the name of the metric.

    Args:
        answers: what a model said of the pictures.
        mean_over_breeds: of which figures: those that average breeds, or pictures.
    """
    return {
        metric.name: metric.per_picture(answers)
        for metric in METRICS
        if metric.per_picture is not None and metric.mean_over_breeds == mean_over_breeds
    }


def read_figures(
    overall: SliceResult, model: Bootstrap | None, baseline: Bootstrap | None
) -> tuple[Figure, ...]:
    """Puts TFMA's figures beside their intervals.

    Args:
        overall: what was measured over the whole eval split.
        model: the model's intervals.
        baseline: the baseline's; None where there is none.
    """
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
