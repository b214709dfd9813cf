"""A small VGG as published for Oxford-IIIT Pets, layer by layer.

Weights are initialised from a truncated normal distribution; the dense layer's biases start at 1,
so that its ReLUs pass gradients from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras

_FILTERS = (32, 64)
_DENSE_UNITS = 512
_WEIGHTS_SD = 0.1


class PetCnnConfig(SizedNetworkSettings):
    """A small VGG for Oxford-IIIT Pets: two pairs of convolutions, much dropout."""

    source: ClassVar[str] = "pet classifier on Oxford-IIIT Pets"
    source_classes: ClassVar[int] = 37

    name: Literal["pet_cnn"] = "pet_cnn"
    """The network's name."""
    normalise: Normalisation = "mean_image"
    """What the network does to the pixels first."""
    input_px: InputSize = (224, 224)
    """Height and width of the picture in pixels; one number stands for both."""
    pool_dropout: float = Field(default=0.8, ge=0, lt=1)
    """Share of the values dropped behind each pool while training; the source keeps 0.2."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the 512 dense units dropped while training."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import initializers, layers

        def weights() -> keras.initializers.Initializer:
            return initializers.TruncatedNormal(stddev=_WEIGHTS_SD)

        x = pixels  # shapes for 224 x 224 x 3
        for block, filters in enumerate(_FILTERS, start=1):
            for number in (1, 2):
                x = layers.Conv2D(
                    filters,
                    3,
                    padding="same",
                    activation="relu",
                    kernel_initializer=weights(),
                    name=f"conv{block}_{number}",
                )(x)
            x = layers.MaxPooling2D(2, name=f"pool{block}")(x)  # (112, 112, 32), then (56, 56, 64)
            x = layers.Dropout(self.pool_dropout, name=f"pool_dropout{block}")(x)
        x = layers.Flatten(name="flatten")(x)  # (batch, 200704)
        x = layers.Dense(
            _DENSE_UNITS,
            activation="relu",
            kernel_initializer=weights(),
            bias_initializer="ones",
            name="dense",
        )(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        return layers.Dense(
            num_classes, kernel_initializer=weights(), dtype="float32", name="logits"
        )(x)
