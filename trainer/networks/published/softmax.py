"""Multinomial logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras


class SoftmaxConfig(SizedNetworkSettings):
    """One layer from the pixels to the logits: the base line."""

    source: ClassVar[str] = "base line of the side-by-side comparison; MNIST"
    source_classes: ClassVar[int] = 10

    name: Literal["softmax"] = "softmax"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (28, 28)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 1
    """3 for RGB, 1 for grey-scale."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import layers

        x = layers.Flatten(name="flatten")(pixels)  # (batch, height * width * channels)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)
