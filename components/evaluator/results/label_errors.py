"""Finds images that are probably labelled wrongly, by confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021,
https://arxiv.org/abs/1911.00068. The answers must be of models that have not seen the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.evaluator.results.answer_table import AnswerTable

NO_LABEL = -1
_UNLIKE = 0.5  # of a breed's usual probability: below that in all breeds an image is like none
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LabelErrors:
    """What the answers to `n` images say of their labels."""

    suggested: NDArray[np.int64]
    """`(n,)`: the label that a wrongly labelled image should have; `NO_LABEL` for all others."""
    unlike: NDArray[np.bool_]
    """`(n,)`: whether no label is nearly as probable as it is for its own images."""
    doubt: NDArray[np.float64]
    """`(n,)`: from 0, where the label is certain, over 0.5, where another is as probable, to 1."""


def dense_probabilities(table: AnswerTable, num_classes: int) -> NDArray[np.float64]:
    """Returns `(n, num_classes)` from the labels that were kept; the others' are 0."""
    answers = table.model
    dense = np.zeros((len(table.labels), num_classes))
    np.put_along_axis(dense, answers.guesses.astype(np.int64), answers.guess_probabilities, axis=1)
    dense[np.arange(len(dense)), table.labels] = answers.truth_probability
    return dense


def find_label_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> LabelErrors:
    """Finds as many wrong labels of each kind as confident learning estimates there are.

    An image is counted for the label that is at least as probable as it is, in the mean, for the
    label's own images; those counts, scaled to all images, say how many of label i should be j. The
    images for which j is ahead of i the furthest are taken ("prune by noise rate").

    Args:
        labels: `(n,)`, as given.
        probabilities: `(n, num_classes)`.
    """
    images, num_classes = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[images, labels]
    counts = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, weights=own, minlength=num_classes)
    # A label without images is never believed.
    usual = np.divide(sums, counts, out=np.full(num_classes, np.inf), where=counts > 0)
    confident = probabilities >= usual - _ROUNDING
    believed = np.where(confident, probabilities, -1.0).argmax(axis=1)
    is_counted = confident.any(axis=1)
    joint = np.zeros((num_classes, num_classes))
    np.add.at(joint, (labels[is_counted], believed[is_counted]), 1)
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    suggested = np.full(len(labels), NO_LABEL)
    lead = np.zeros(len(labels))
    for given, other in zip(*np.nonzero(np.rint(joint)), strict=True):
        of_given = np.flatnonzero(labels == given)
        ahead = probabilities[of_given, other] - own[of_given]
        for place in np.argsort(-ahead, kind="stable")[: round(joint[given, other])]:
            if ahead[place] > lead[of_given[place]]:
                suggested[of_given[place]], lead[of_given[place]] = other, ahead[place]
    others = probabilities.copy()
    others[images, labels] = 0.0
    return LabelErrors(
        suggested=suggested,
        unlike=(probabilities / usual).max(axis=1) < _UNLIKE,
        doubt=(1 - (own - others.max(axis=1))) / 2,
    )
