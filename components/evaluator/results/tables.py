"""How well each breed is known, from TFMA's confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.evaluator.results.bootstrap import share_interval
from components.evaluator.results.tfma import Cells
from components.report.facts import BreedRow


def dense(cells: Cells, num_breeds: int) -> NDArray[np.int64]:
    """Returns a confusion matrix as an array, `(num_breeds, num_breeds)`, by truth and name."""
    counts = np.zeros((num_breeds, num_breeds), np.int64)
    for (truth, named), count in cells.items():
        counts[truth, named] = count
    return counts


def breed_rows(
    breeds: Sequence[str],
    train_counts: Sequence[int],
    counts: NDArray[np.int64],
    baseline_counts: NDArray[np.int64] | None,
) -> tuple[BreedRow, ...]:
    """Makes a row for each breed.

    Args:
        breeds: names in label order.
        train_counts: pictures in the train split, by label.
        counts: the model's confusion matrix.
        baseline_counts: the baseline's; None where there is none.
    """
    named = counts.sum(axis=0)
    right = counts.diagonal()
    others = counts - np.diag(right)
    rows = []
    for label, breed in enumerate(breeds):
        num_eval = int(counts[label].sum())
        mistaken_for = int(others[label].argmax())
        times = int(others[label, mistaken_for])
        rows.append(
            BreedRow(
                breed=breed,
                num_train=train_counts[label],
                num_eval=num_eval,
                precision=float(right[label] / named[label]) if named[label] else None,
                recall=float(right[label] / num_eval) if num_eval else None,
                interval=share_interval(int(right[label]), num_eval),
                baseline_recall=float(baseline_counts[label, label] / num_eval)
                if baseline_counts is not None and num_eval
                else None,
                confused_with=breeds[mistaken_for] if times else None,
                confused_count=times,
            )
        )
    return tuple(rows)
