"""VGG-16.

Configuration D of Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition" (https://arxiv.org/abs/1409.1556): 138,357,544 parameters at 1,000 classes.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.classic_config import Vgg16Config
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and number of the convolutions before each pool."""


def build_vgg16(
    config: Vgg16Config, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network.

    ReLU layers start from He's distribution: sixteen of them from a narrower one pass next to
    nothing on, which is why the paper had to train shallower networks first.

    Args:
        config: its settings.
        num_classes: number of breeds, 1,000 in the original.
        statistics: of the train split, for the mean and spread of each colour.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.
    """
    pictures, x = normalised_input(config, statistics)
    for block, (filters, num_convolutions) in enumerate(_BLOCKS, start=1):
        for number in range(1, num_convolutions + 1):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv{block}_{number}",
            )(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)  # (batch, 25088) from 7 x 7 x 512 where 224 x 224 went in
    for number in (1, 2):
        x = layers.Dense(
            config.dense_units,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"dense{number}",
        )(x)
        x = layers.Dropout(config.dropout, name=f"dropout{number}")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="vgg16")
