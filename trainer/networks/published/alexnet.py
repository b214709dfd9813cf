"""AlexNet in one column.

Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
(https://doi.org/10.1145/3065386), not split over two GPUs: every filter sees every channel, which
makes 62,378,344 parameters at 1,000 classes. Pools come before normalisations. 11 x 11 windows at
stride 4 do not fit into the paper's 224 pixels; its sizes are those of 227. ReLU layers use He
initialisation, so that it trains without tricks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras

_FIRST_KERNEL_PX = 11
_FIRST_STRIDE_PX = 4


class AlexnetConfig(SizedNetworkSettings):
    """AlexNet in one column, with local response normalisation."""

    source: ClassVar[str] = "Krizhevsky et al. 2012, doi.org/10.1145/3065386"
    source_classes: ClassVar[int] = 1000
    min_px: ClassVar[int] = 64  # 15 after the first convolution; 7, 3, 1 after the pools

    name: Literal["alexnet"] = "alexnet"
    """The network's name."""
    normalise: Normalisation = "mean_image"
    """What the network does to the pixels first."""
    input_px: InputSize = (227, 227)
    """Height and width of the picture in pixels; one number stands for both. Zeros are added below
    and on the right until the first layer's windows fit in: 3 to the paper's 224."""
    dense_units: int = Field(default=4096, ge=1, le=8192)
    """Units of each of the two hidden dense layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the units of both hidden dense layers dropped while training."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import layers

        from trainer.networks.local_response import LocalResponseNormalisation

        relu = {"activation": "relu", "kernel_initializer": "he_normal"}
        conv = partial(layers.Conv2D, padding="same", **relu)
        pool = partial(layers.MaxPooling2D, 3, strides=2)
        # The paper's k, n, alpha and beta: n = 5 channels are two on either side.
        local_response = partial(LocalResponseNormalisation, 2, bias=2.0, alpha=1e-4, beta=0.75)

        x = pixels  # shapes for 227 x 227 x 3 and 224 x 224 x 3
        below, right = (_missing_px(size) for size in self.input_px)
        if below or right:
            x = layers.ZeroPadding2D(((0, below), (0, right)), name="pad")(x)
        x = conv(96, _FIRST_KERNEL_PX, strides=_FIRST_STRIDE_PX, padding="valid", name="conv1")(x)
        x = pool(name="pool1")(x)  # (batch, 27, 27, 96) from 55
        x = local_response(name="lrn1")(x)
        x = conv(256, 5, name="conv2")(x)
        x = pool(name="pool2")(x)  # (batch, 13, 13, 256)
        x = local_response(name="lrn2")(x)
        x = conv(384, 3, name="conv3")(x)
        x = conv(384, 3, name="conv4")(x)
        x = conv(256, 3, name="conv5")(x)
        x = pool(name="pool5")(x)  # (batch, 6, 6, 256)
        x = layers.Flatten(name="flatten")(x)  # (batch, 9216)
        for number in (6, 7):
            x = layers.Dense(self.dense_units, **relu, name=f"dense{number}")(x)
            x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)


def _missing_px(size_px: int) -> int:
    """Returns the padding that makes the first layer's windows fit."""
    return (_FIRST_KERNEL_PX - size_px) % _FIRST_STRIDE_PX
