"""The figures over the whole eval split, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.evaluator.metrics import ACCURACY, LOSS, TOP_5_ACCURACY
from components.evaluator.results.answer_table import AnswerTable, ModelAnswers
from components.evaluator.results.calibration import gaps_by_bin
from components.evaluator.results.tfma import SliceResult
from components.evaluator.results.values import Figure, Interval

RESAMPLES = 1000
"""Draws: enough for the second digit of an interval."""
_SEED = 0
_LEVEL = 0.95
_TAILS = (2.5, 97.5)  # percentiles


def resampled_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean of each row over each draw of pictures.

    Args:
        rows: `(r, n)`: r values of each of n pictures; all r are drawn together.

    Returns:
        `(r, RESAMPLES)`, the same for the same rows.
    """
    num_pictures = rows.shape[1]
    rng = np.random.default_rng(_SEED)
    means = np.empty((len(rows), RESAMPLES))
    for place in range(RESAMPLES):
        drawn = rng.integers(num_pictures, size=num_pictures)
        times = np.bincount(drawn, minlength=num_pictures)
        means[:, place] = rows @ times / num_pictures
    return means


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
class _Kind:
    name: str
    title: str
    higher_is_better: bool
    meaning: str


_KINDS = (
    _Kind(
        ACCURACY,
        "Accuracy",
        higher_is_better=True,
        meaning="The share of eval pictures whose breed is the one that the model names first.",
    ),
    _Kind(
        TOP_5_ACCURACY,
        "Top-5 accuracy",
        higher_is_better=True,
        meaning="The share of eval pictures whose breed is among the five that the model holds "
        "most probable.",
    ),
    _Kind(
        LOSS,
        "Loss",
        higher_is_better=False,
        meaning="How surprised the model is by the true breeds: the mean cross-entropy in nats, 0 "
        "where it is certain of each of them.",
    ),
)


@dataclass(frozen=True)
class Scatter:
    """Intervals, drawn together, of one model."""

    figures: dict[str, Interval]
    """By TFMA's name."""
    ece: Interval
    """Of the expected calibration error."""


def scatter(table: AnswerTable, answers: ModelAnswers) -> Scatter | None:
    """Works out the intervals from the answers.

    Args:
        table: the eval pictures.
        answers: what a model said of them.

    Returns:
        None where there are too few pictures to draw from.
    """
    if len(table.labels) <= 1:
        return None
    per_picture = per_picture_figures(table, answers)
    gaps = gaps_by_bin(answers.guess_probabilities[:, 0], table.is_right(answers))
    means = resampled_means(np.vstack([*per_picture.values(), gaps]))
    errors = np.abs(means[len(per_picture) :]).sum(axis=0)
    # Drawing adds noise to each bin, and the error counts noise of either sign: the draws lie
    # higher than what they are drawn from, and are moved back by as much.
    measured = np.abs(gaps.mean(axis=1)).sum()
    ece = percentile_interval(np.maximum(errors - errors.mean() + measured, 0))
    return Scatter(
        figures={
            name: percentile_interval(drawn)
            for name, drawn in zip(per_picture, means, strict=False)
        },
        ece=ece,
    )


def per_picture_figures(
    table: AnswerTable, answers: ModelAnswers
) -> dict[str, NDArray[np.float64]]:
    """Returns what the figures are the means of, `(n,)` each, by TFMA's name."""
    return {
        ACCURACY: table.is_right(answers).astype(np.float64),
        TOP_5_ACCURACY: answers.in_top_5.astype(np.float64),
        LOSS: answers.cross_entropy,
    }


def read_figures(
    overall: SliceResult, model: Scatter | None, baseline: Scatter | None
) -> tuple[Figure, ...]:
    """Puts TFMA's figures beside their intervals.

    Args:
        overall: what was measured over the whole eval split.
        model: the model's intervals.
        baseline: the baseline's; None where there is none.
    """
    return tuple(
        Figure(
            name=kind.name,
            title=kind.title,
            value=overall.model.figures[kind.name],
            interval=model.figures[kind.name] if model is not None else None,
            baseline=overall.baseline.figures.get(kind.name),
            baseline_interval=baseline.figures[kind.name] if baseline is not None else None,
            higher_is_better=kind.higher_is_better,
            meaning=kind.meaning,
        )
        for kind in _KINDS
    )
