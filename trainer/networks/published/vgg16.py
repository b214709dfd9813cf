"""VGG-16.

Configuration D of Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition" (https://arxiv.org/abs/1409.1556): 138,357,544 parameters at 1,000 classes. ReLU layers
use He initialisation: with a narrower one sixteen layers pass almost nothing on, which is why the
paper had to train shallower networks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and number of the convolutions before each pool."""


class Vgg16Config(SizedNetworkSettings):
    """VGG-16, configuration D: thirteen 3 x 3 convolutions, three dense layers."""

    source: ClassVar[str] = "Simonyan & Zisserman 2014, arxiv.org/abs/1409.1556"
    source_classes: ClassVar[int] = 1000
    min_px: ClassVar[int] = 32

    name: Literal["vgg16"] = "vgg16"
    """The network's name."""
    normalise: Normalisation = "per_channel"
    """What the network does to the pixels first."""
    input_px: InputSize = (224, 224)
    """Height and width of the picture in pixels; one number stands for both."""
    dense_units: int = Field(default=4096, ge=1, le=8192)
    """Units of each of the two hidden dense layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the units of both hidden dense layers dropped while training."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import layers

        relu = {"activation": "relu", "kernel_initializer": "he_normal"}
        x = pixels
        for block, (filters, num_convolutions) in enumerate(_BLOCKS, start=1):
            for number in range(1, num_convolutions + 1):
                name = f"conv{block}_{number}"
                x = layers.Conv2D(filters, 3, padding="same", **relu, name=name)(x)
            x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
        x = layers.Flatten(name="flatten")(x)  # (batch, 25088), 7 x 7 x 512 for 224 x 224 pixels
        for number in (1, 2):
            x = layers.Dense(self.dense_units, **relu, name=f"dense{number}")(x)
            x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)
