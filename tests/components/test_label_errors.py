"""Confident learning finds labels that were swapped, and accuses few others."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluator.results.label_errors import NO_LABEL, find_label_errors


def test_swapped_labels_come_first_and_with_their_truth() -> None:
    # A model that is right in 9 of 10 cases and then surer than where it is wrong.
    rng = np.random.default_rng(0)
    truths = rng.integers(8, size=1000)
    swapped = np.zeros(1000, bool)
    swapped[rng.choice(1000, 50, replace=False)] = True
    labels = np.where(swapped, (truths + rng.integers(1, 8, 1000)) % 8, truths)
    named = np.where(rng.random(1000) < 0.9, truths, rng.integers(8, size=1000))
    share = np.where(named == truths, 0.7, 0.4)[:, None]
    probabilities = share * np.eye(8)[named] + (1 - share) * rng.dirichlet(np.ones(8), 1000)

    errors = find_label_errors(labels, probabilities)

    found = errors.suggested != NO_LABEL
    first = np.argsort(-np.where(found, errors.doubt, -1))[:50]
    assert swapped[first].sum() >= 40
    both = swapped & found
    assert (errors.suggested[both] == truths[both]).mean() > 0.95
    # What is wrong without being sure of it accuses nobody.
    assert found.sum() < (probabilities.argmax(1) != labels).sum()
    assert 0 <= errors.doubt.min() <= errors.doubt.max() <= 1


def test_by_hand() -> None:
    # The means of the labels' own probabilities: 0.7 of 0, 0.4 of 1; 2 has no picture.
    probabilities = np.array([
        [0.8, 0.2, 0.0],
        [0.9, 0.1, 0.0],
        [0.4, 0.6, 0.0],  # more of 1 than what is usual of 1
        [0.1, 0.2, 0.7],  # never believed: nothing says how sure of 2 the model usually is
        [0.4, 0.6, 0.0],  # as usual
        [0.65, 0.2, 0.15],  # named 0, but not as surely as 0 usually is
        [0.15, 0.3, 0.55],
    ])  # fmt: skip
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    probabilities[6, 1], probabilities[3, 1] = 0.7, 0.1

    errors = find_label_errors(labels, probabilities)

    assert errors.suggested.tolist() == [-1, -1, 1, -1, -1, -1, -1]
    assert errors.doubt[[0, 2]] == pytest.approx([0.2, 0.6])
    assert errors.unlike.tolist() == [False, False, False, True, False, False, False]
