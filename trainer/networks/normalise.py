"""The first layer of a network: what it does to the pixels, from its settings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from trainer.networks.base import NetworkSettings
from trainer.networks.statistics import PictureStatistics


@keras.saving.register_keras_serializable(package="dogbreed")
class LocalResponseNormalisation(keras.layers.Layer):
    """Divides every value by what its neighbours in the channels amount to.

    `y[c] = x[c] / (bias + alpha * sum(x[c - radius : c + radius + 1] ** 2)) ** beta`, section 3.3
    of Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
    (https://doi.org/10.1145/3065386). It computes in float32 under every precision policy, because
    the operation has no bfloat16 kernel.

    Args:
        radius: channels on either side that count.
        bias: keeps the division finite.
        alpha: weight of the squares.
        beta: power of the divisor.
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
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "radius": self.radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }


# The range to which `mean_image` scales what is left after the subtraction.
_RANGE = 255.0


def normalised_input(
    config: NetworkSettings, statistics: PictureStatistics | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Makes the input `pictures` and the layer `normalise` behind it.

    Returns:
        Both outputs: `(batch, *config.image.shape)` uint8 in [0, 255], and the same as float32
        after normalisation.

    Raises:
        ValueError: the normalisation needs statistics and there are none, or they are of pictures
            of another size.
    """
    pictures = keras.Input(config.image.shape, dtype="uint8", name="pictures")
    return pictures, normalise_layer(config, statistics)(pictures)


def normalise_layer(
    config: NetworkSettings, statistics: PictureStatistics | None
) -> keras.layers.Layer:
    """Makes the layer that does to the pixels what `config.normalise` says.

    It computes in float32 under every precision policy: bfloat16 has eight bits, and a mean that is
    subtracted in it leaves few of a pixel's own.

    Args:
        config: the network's settings.
        statistics: of the train split; only `mean_image` and `per_channel` look at it.

    Returns:
        A layer named `normalise`, from uint8 to float32 of the same shape.

    Raises:
        ValueError: see `normalised_input`.
    """
    if config.normalise == "zero_to_one":
        # 256, not 255: the floats of the dog-breed network's source lie in [0, 1).
        return layers.Rescaling(1 / 256, dtype="float32", name="normalise")
    if config.normalise == "minus_one_to_one":
        return layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="normalise")
    if statistics is None:
        raise ValueError(
            f"normalise={config.normalise} needs the statistics of the train split, got none"
        )
    if statistics.mean_image.shape != config.image.shape:
        raise ValueError(
            f"the statistics are of pictures {statistics.mean_image.shape}, the network takes "
            f"{config.image.shape}"
        )
    if config.normalise == "mean_image":
        return layers.Normalization(
            axis=(1, 2, 3),
            mean=statistics.mean_image,
            variance=np.full_like(statistics.mean_image, _RANGE**2),
            dtype="float32",
            name="normalise",
        )
    return layers.Normalization(
        axis=-1,
        mean=statistics.channel_mean,
        variance=np.square(statistics.channel_sd),
        dtype="float32",
        name="normalise",
    )
