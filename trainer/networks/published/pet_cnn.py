"""The small VGG that was published for Oxford-IIIT Pets: two pairs of convolutions."""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.classic_config import PetCnnConfig
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics

_FILTERS = (32, 64)
_DENSE_UNITS = 512
_WEIGHTS_SD = 0.1


def build_pet_cnn(
    config: PetCnnConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network, layer by layer as published.

    All weights start from a truncated normal distribution; the dense layer's biases start at 1, so
    that its ReLUs let gradients through from the beginning.

    Args:
        config: its settings.
        num_classes: number of breeds.
        statistics: of the train split, for the mean image.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.
    """
    # Shapes are those of 224 x 224 x 3.
    pictures, x = normalised_input(config, statistics)
    for block, filters in enumerate(_FILTERS, start=1):
        for number in (1, 2):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=_truncated_normal(),
                name=f"conv{block}_{number}",
            )(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)  # (112, 112, 32), then (56, 56, 64)
        x = layers.Dropout(config.pool_dropout, name=f"pool_dropout{block}")(x)
    x = layers.Flatten(name="flatten")(x)  # (batch, 200704)
    x = layers.Dense(
        _DENSE_UNITS,
        activation="relu",
        kernel_initializer=_truncated_normal(),
        bias_initializer="ones",
        name="dense",
    )(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    logits = layers.Dense(
        num_classes, kernel_initializer=_truncated_normal(), dtype="float32", name="logits"
    )(x)
    return keras.Model(pictures, logits, name="pet_cnn")


def _truncated_normal() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=_WEIGHTS_SD)
