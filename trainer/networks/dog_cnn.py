"""The cut-down AlexNet that was published for Stanford Dogs: two convolutions, one hidden layer."""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.config import DogCnnConfig


def build_dog_cnn(config: DogCnnConfig, num_classes: int) -> keras.Model:
    """Builds the network, layer by layer as published.

    Args:
        config: its settings.
        num_classes: number of breeds, 120 in the original.

    Returns:
        A model from `(batch, 250, 151, 1)` uint8 to `(batch, num_classes)` float32 logits.
    """
    # 256, not 255: the original's floats lie in [0, 1), and 256 keeps 1 out.
    pictures = keras.Input(config.image.shape, dtype="uint8", name="pictures")
    x = layers.Rescaling(1 / 256, name="normalise")(pictures)  # (batch, 250, 151, 1)
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
