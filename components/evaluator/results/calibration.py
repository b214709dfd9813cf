"""Reads how well the model is calibrated, from TFMA's calibration plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.evaluator.metrics import BASELINE, CALIBRATION, CALIBRATION_BINS
from components.evaluator.results.answer_table import ModelAnswers
from components.evaluator.results.values import Calibration, CalibrationBin, Interval, Kept

# TFMA sorts probabilities into this many bins first, rounded down, and those into the plot's.
_TFMA_BINS = 10_000
_MOST_THRESHOLDS = 100  # points of a curve


def read_calibration(
    evaluation: Path | str, answers: ModelAnswers, ece_interval: Interval | None
) -> Calibration:
    """Reads the bins of an evaluation, and computes the expected calibration error.

    Args:
        evaluation: folder or address.
        answers: the model's.
        ece_interval: of that error.
    """
    bins: dict[bool, tuple[CalibrationBin, ...]] = {}
    for record in tfma.load_plots(str(evaluation)):
        if record.slice_key.single_slice_keys:
            continue
        for plot in record.plot_keys_and_values:
            if plot.key.name == CALIBRATION:
                buckets = plot.value.calibration_histogram_buckets.buckets
                bins[plot.key.model_name == BASELINE] = _bins(buckets)
    return Calibration(
        bins=bins[False],
        ece=expected_calibration_error(bins[False]),
        ece_interval=ece_interval,
        baseline_ece=expected_calibration_error(bins[True]) if True in bins else None,
        kept=kept_answers(answers.guess_probabilities[:, 0], answers.right),
        known_share=float(answers.is_known.mean()) if answers.is_known is not None else None,
    )


def kept_answers(confidence: NDArray[np.float32], right: NDArray[np.float64]) -> tuple[Kept, ...]:
    """Computes the accuracy over those answers that a threshold leaves, for every threshold.

    Args:
        confidence: `(n,)`: top-1 probability.
        right: `(n,)`: 1 where the top-1 label is correct, else 0.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-1))  # of answers equally probable
    if len(ends) > _MOST_THRESHOLDS:
        ends = ends[np.linspace(0, len(ends) - 1, _MOST_THRESHOLDS).round().astype(int)]
    num_right = np.cumsum(right[order])
    return tuple(
        Kept(
            threshold=float(confidence[order[end]]),
            share=float((end + 1) / len(order)),
            accuracy=float(num_right[end] / (end + 1)),
        )
        for end in ends.tolist()
    )


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Returns the mean distance of confidence and accuracy, weighted by counts."""
    num_answers = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / num_answers


def gaps_by_bin(confidence: NDArray[np.float32], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spreads answers over bins, so that the error can be recomputed for each bootstrap sample.

    Args:
        confidence: `(n,)`: top-1 probability.
        right: `(n,)`: 1 where the top-1 label is correct, else 0.

    Returns:
        `(CALIBRATION_BINS, n)`: confidence less correctness in an answer's bin, else 0. The error
        is the sum of the rows' absolute means.
    """
    fine = (confidence.astype(np.float64) * _TFMA_BINS).astype(np.int64)
    place = np.minimum(fine * CALIBRATION_BINS // _TFMA_BINS, CALIBRATION_BINS - 1)
    gaps = np.zeros((CALIBRATION_BINS, len(confidence)))
    gaps[place, np.arange(len(confidence))] = confidence - right
    return gaps


def _bins(buckets: Sequence[object]) -> tuple[CalibrationBin, ...]:
    """Converts TFMA's buckets; the first is below 0, the last is a probability of exactly 1."""
    counts = np.zeros((CALIBRATION_BINS, 3))
    for place, bucket in enumerate(buckets):
        counts[np.clip(place - 1, 0, CALIBRATION_BINS - 1)] += (
            bucket.num_weighted_examples.value,  # type: ignore[attr-defined]
            bucket.total_weighted_refined_prediction.value,  # type: ignore[attr-defined]
            bucket.total_weighted_label.value,  # type: ignore[attr-defined]
        )
    return tuple(
        CalibrationBin(
            low=place / CALIBRATION_BINS,
            high=(place + 1) / CALIBRATION_BINS,
            confidence=confidence / count,
            accuracy=right / count,
            count=round(count),
        )
        for place, (count, confidence, right) in enumerate(counts.tolist())
        if count
    )
