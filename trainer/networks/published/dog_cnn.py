"""A reduced AlexNet as published for Stanford Dogs, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import NetworkSettings
from trainer.networks.normalise import Normalisation
from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    import keras


class DogCnnConfig(NetworkSettings):
    """The cut-down AlexNet for Stanford Dogs: 250 x 151 grey-scale, fixed by its source."""

    source: ClassVar[str] = "dog-breed CNN on Stanford Dogs"

    name: Literal["dog_cnn"] = "dog_cnn"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the 512 dense units dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The image that the network takes."""
        return ImageSpec(height_px=250, width_px=151, channels=1)

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import initializers, layers

        x = layers.Conv2D(32, 5, strides=2, padding="same", activation="relu", name="conv1")(pixels)
        x = layers.MaxPooling2D(2, padding="same", name="pool1")(x)  # (batch, 63, 38, 32)
        x = layers.Conv2D(64, 5, padding="same", activation="relu", name="conv2")(x)
        x = layers.MaxPooling2D(2, padding="same", name="pool2")(x)  # (batch, 32, 19, 64)
        x = layers.Flatten(name="flatten")(x)  # (batch, 38912)
        x = layers.Dense(
            512,
            activation="relu",
            kernel_initializer=initializers.TruncatedNormal(stddev=0.1),
            name="dense",
        )(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)
