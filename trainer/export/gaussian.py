"""A Gaussian of feature vectors, and how far a vector lies from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_MOST_AXES = 256  # principal axes with a variance of their own: 4 MiB of 4,096 features
_LEAST_SD = 1e-6


@dataclass(frozen=True, eq=False)  # arrays cannot be compared with a single ==
class Gaussian:
    """A normal distribution over vectors of `d` features."""

    mean: NDArray[np.float32]
    """`(d,)`."""
    scale: NDArray[np.float32]
    """`(d,)`: what each feature is multiplied by first, so that all of them vary alike."""
    axes: NDArray[np.float32]
    """`(d, k)`: the principal axes of the scaled features."""
    variances: NDArray[np.float32]
    """`(k,)`: along these axes."""
    other_variance: float
    """Along every other axis."""

    @classmethod
    def fit(cls, vectors: NDArray[np.float32]) -> Gaussian:
        """Fits a Gaussian to `(n, d)` vectors, of which there may be fewer than features.

        The covariance is shrunk towards a round one, by as much as its estimate is uncertain
        (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
        2004).
        """
        num_vectors, num_features = vectors.shape
        mean = vectors.mean(axis=0, dtype=np.float64)
        scale = 1 / np.maximum(vectors.std(axis=0, dtype=np.float64), _LEAST_SD)
        scaled = (vectors - mean) * scale
        _, lengths, axes = np.linalg.svd(scaled, full_matrices=False)
        variances = lengths**2 / num_vectors
        average = variances.sum() / num_features
        squares = (variances**2).sum()
        spread = squares / num_features - average**2
        fourth = ((scaled**2).sum(axis=1) ** 2).mean()
        uncertainty = (fourth - squares) / num_vectors / num_features
        shrinkage = np.clip(uncertainty / spread, 0, 1) if spread > 0 else 1.0
        every = np.zeros(num_features)
        every[: len(variances)] = variances
        every = (1 - shrinkage) * every + shrinkage * average
        kept, others = every[:_MOST_AXES], every[_MOST_AXES:]
        return cls(
            mean=mean.astype(np.float32),
            scale=scale.astype(np.float32),
            axes=axes[:_MOST_AXES].T.astype(np.float32),
            variances=kept[: len(axes)].astype(np.float32),
            other_variance=float((others if len(others) else every[-1:]).mean()),
        )

    def log_distance(self, vectors: tf.Tensor) -> tf.Tensor:
        """Computes the logarithm of the squared Mahalanobis distance of `(batch, d)` vectors."""
        scaled = (vectors - self.mean) * self.scale
        along = tf.matmul(scaled, self.axes)
        left = tf.reduce_sum(scaled**2, axis=1) - tf.reduce_sum(along**2, axis=1)
        distance = tf.reduce_sum(along**2 / self.variances, axis=1)
        distance += tf.maximum(left, 0.0) / self.other_variance
        return tf.math.log(distance + _LEAST_SD)
