"""Multinomial logistic regression: one layer from the pixels to the logits."""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.classic_config import SoftmaxConfig
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics


def build_softmax(
    config: SoftmaxConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network.

    Args:
        config: its settings.
        num_classes: number of breeds.
        statistics: of the train split, where `config.normalise` needs them.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.
    """
    pictures, x = normalised_input(config, statistics)
    x = layers.Flatten(name="flatten")(x)  # (batch, height * width * channels)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="softmax")
