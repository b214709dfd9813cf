"""An order of the breeds in which those that are taken for each other stand together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

_MOST_TO_ARRANGE = 500  # breeds: the best order of the leaves takes time that grows as their cube


def confusion_order(counts: NDArray[np.int64]) -> tuple[int, ...]:
    """Clusters the breeds by how often one is named for the other.

    Args:
        counts: `(num_breeds, num_breeds)`: pictures by truth and by the breed that was named.

    Returns:
        Labels, every one once.
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
