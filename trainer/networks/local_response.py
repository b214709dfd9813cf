"""Local response normalisation, which Keras has no layer for."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dogbreed")
class LocalResponseNormalisation(keras.layers.Layer):
    """Divides every value by the activity of neighbouring channels at the same place.

    `y[c] = x[c] / (bias + alpha * sum(x[c - radius : c + radius + 1] ** 2)) ** beta`, section 3.3
    of Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
    (https://doi.org/10.1145/3065386). Computes in float32 under every precision policy, because the
    operation has no bfloat16 kernel.

    Args:
        radius: number of channels on either side.
        bias: keeps the divisor above zero.
        alpha: weight of the squares.
        beta: exponent of the divisor.
        **kwargs: arguments of every Keras layer.
    """

    def __init__(
        self, radius: int, *, bias: float, alpha: float, beta: float, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.radius = radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises `(batch, height, width, channels)`."""
        return tf.nn.local_response_normalization(
            inputs, depth_radius=self.radius, bias=self.bias, alpha=self.alpha, beta=self.beta
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "radius": self.radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }
