"""The cut-down AlexNet that was published for Stanford Dogs: two convolutions, one hidden layer."""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.config import DogCnnConfig
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics


def build_dog_cnn(
    config: DogCnnConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network, layer by layer as published.

    Args:
        config: its settings.
        num_classes: number of breeds, 120 in the original.
        statistics: of the train split, where `config.normalise` needs them.

    Returns:
        A model from `(batch, 250, 151, 1)` uint8 to `(batch, num_classes)` float32 logits.
    """
    pictures, x = normalised_input(config, statistics)  # (batch, 250, 151, 1)
    x = layers.Conv2D(32, 5, strides=2, padding="same", activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(2, padding="same", name="pool1")(x)  # (batch, 63, 38, 32)
    x = layers.Conv2D(64, 5, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, padding="same", name="pool2")(x)  # (batch, 32, 19, 64)
    x = layers.Flatten(name="flatten")(x)  # (batch, 38912)
    x = layers.Dense(
        512,
        activation="relu",
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
        name="dense",
    )(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="dog_cnn")
