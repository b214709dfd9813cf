"""LeNet-5 and its variant with ReLU.

LeCun et al., "Gradient-Based Learning Applied to Document Recognition"
(https://doi.org/10.1109/5.726791), for pictures of 28 x 28: where the paper takes 32 x 32, the
first convolution pads instead. All 16 maps of the second convolution see all 6 of the first.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.classic_config import Lenet5Config, Lenet5ReluConfig
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics

_DENSE_UNITS = (120, 84)


def build_lenet5(
    config: Lenet5Config | Lenet5ReluConfig,
    num_classes: int,
    statistics: PictureStatistics | None = None,
) -> keras.Model:
    """Builds the network: sigmoid and average pooling, or ReLU and max pooling.

    Args:
        config: its settings; their class says which of the two.
        num_classes: number of breeds, 10 in the original.
        statistics: of the train split, where `config.normalise` needs them.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.
    """
    relu = isinstance(config, Lenet5ReluConfig)
    activation = "relu" if relu else "sigmoid"
    pooling = layers.MaxPooling2D if relu else layers.AveragePooling2D
    first, second = config.filters
    # Shapes are those of 28 x 28 x 1 and 6 and 16 filters.
    pictures, x = normalised_input(config, statistics)
    x = layers.Conv2D(first, 5, padding="same", activation=activation, name="conv1")(x)
    x = pooling(2, name="pool1")(x)  # (batch, 14, 14, 6)
    x = layers.Conv2D(second, 5, activation=activation, name="conv2")(x)  # (batch, 10, 10, 16)
    x = pooling(2, name="pool2")(x)  # (batch, 5, 5, 16)
    x = layers.Flatten(name="flatten")(x)  # (batch, 400)
    for number, units in enumerate(_DENSE_UNITS, start=1):
        x = layers.Dense(units, activation=activation, name=f"dense{number}")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name=config.name)
