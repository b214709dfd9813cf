"""From a network's settings to a Keras model."""

from __future__ import annotations

import keras

from trainer.networks.config import DogCnnConfig, ResidualConfig
from trainer.networks.dog_cnn import build_dog_cnn
from trainer.networks.residual import build_residual


def build_network(config: DogCnnConfig | ResidualConfig, num_classes: int) -> keras.Model:
    """Builds the network that a configuration names.

    Args:
        config: the network's settings.
        num_classes: number of breeds.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 in [0, 255] to `(batch, num_classes)`
        float32 logits. Normalisation is inside.
    """
    if isinstance(config, DogCnnConfig):
        return build_dog_cnn(config, num_classes)
    return build_residual(config, num_classes)
