"""Tables of slices and classes, and the order of the confusion matrix."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.metrics import ACCURACY, EXAMPLE_COUNT, HAIR, SLICE_ACCURACY, Cells
from components.evaluator.results.figures import share_interval
from components.evaluator.results.tfma import DIGITS, SliceResult
from components.evaluator.results.values import BreedRow, MajorityClass, SliceRow
from trainer.preprocessing.features import BREED_KEY


def slice_rows(
    config: config_pb2.EvalConfig,
    slices: Mapping[tuple[tuple[str, str], ...], SliceResult],
    missed: frozenset[tuple[tuple[str, str], ...]],
) -> Iterator[SliceRow]:
    """Yields a row for each value of each slicing feature but the breeds.

    `slices` and `missed`, the slices that missed a bound, are by slice key.
    """
    bound, min_pictures = _bound(config)
    for spec in config.slicing_specs:
        if not spec.feature_keys or BREED_KEY in spec.feature_keys:
            continue
        [feature] = spec.feature_keys
        for key in sorted(key for key in slices if [part[0] for part in key] == [feature]):
            result = slices[key]
            num_eval = round(result.model.figures[EXAMPLE_COUNT])
            right = sum(
                count for (truth, named), count in result.model.confusion.items() if truth == named
            )
            yield SliceRow(
                feature=feature,
                value=key[0][1],
                num_eval=num_eval,
                accuracy=result.model.figures[ACCURACY.name],
                interval=share_interval(right, num_eval),
                baseline_accuracy=result.baseline.figures.get(ACCURACY.name),
                bound=bound if num_eval >= min_pictures else None,
                kept=key not in missed,
            )


def _bound(config: config_pb2.EvalConfig) -> tuple[float | None, int]:
    """Returns the lower bound, and the fewest images of a slice that it applies to."""
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            options = json.loads(metric.config or "{}")
            if options.get("name") == SLICE_ACCURACY:
                threshold = metric.per_slice_thresholds[0].threshold
                bound = threshold.value_threshold.lower_bound.value
                return round(bound + HAIR, DIGITS), options["min_pictures"]
    return None, 0


def majority_class(
    slices: Mapping[tuple[tuple[str, str], ...], SliceResult],
) -> MajorityClass:
    """Finds the most frequent breed by slice key; of equally frequent ones the first by name."""
    counts = {
        key[0][1]: result.model.figures[EXAMPLE_COUNT]
        for key, result in sorted(slices.items())
        if [feature for feature, _ in key] == [BREED_KEY]
    }
    breed = max(counts, key=counts.__getitem__)
    return MajorityClass(breed, counts[breed] / sum(counts.values()))


_MOST_TO_ARRANGE = 500  # breeds: optimal leaf ordering takes cubic time


def confusion_order(counts: NDArray[np.int64]) -> tuple[int, ...]:
    """Orders labels so that those confused with each other are adjacent, by clustering.

    `counts` is `(num_breeds, num_breeds)`: images by true and predicted label.
    """
    num_breeds = len(counts)
    if num_breeds <= 2:
        return tuple(range(num_breeds))
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    closeness = (rates + rates.T) / 2
    np.fill_diagonal(closeness, 0)
    distances = 1 - closeness
    np.fill_diagonal(distances, 0)
    tree = linkage(
        squareform(distances, checks=False),
        method="average",
        optimal_ordering=num_breeds <= _MOST_TO_ARRANGE,
    )
    return tuple(leaves_list(tree).tolist())


def dense(cells: Cells, num_breeds: int) -> NDArray[np.int64]:
    """Returns a confusion matrix as `(num_breeds, num_breeds)`, by true and predicted label."""
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
    """Returns a row for each breed, in label order, from the model's confusion matrix."""
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
