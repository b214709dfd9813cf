"""How far figures would scatter if other pictures had been drawn.

The bootstrap: figures are worked out anew over pictures drawn from the eval split, as many as it
has, with replacement. See Efron 1979, https://doi.org/10.1214/aos/1176344552.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.report.facts import Interval

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
