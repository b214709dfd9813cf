"""AlexNet in one column.

Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
(https://doi.org/10.1145/3065386), not split over two GPUs: every filter sees every channel, which
makes 62,378,344 parameters at 1,000 classes. Each pool comes before its normalisation. The paper's
224 pixels do not fit 11 x 11 windows at stride 4; its sizes are those of 227.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.classic_config import AlexnetConfig
from trainer.networks.normalise import LocalResponseNormalisation, normalised_input
from trainer.networks.statistics import PictureStatistics

_FIRST_KERNEL_PX = 11
_FIRST_STRIDE_PX = 4


def build_alexnet(
    config: AlexnetConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network. ReLU layers start from He's distribution, so that it trains by itself.

    Args:
        config: its settings.
        num_classes: number of breeds, 1,000 in the original.
        statistics: of the train split, for the mean image.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.
    """
    # Shapes are those of 227 x 227 x 3 and of 224 x 224 x 3.
    pictures, x = normalised_input(config, statistics)
    rest = [_missing_px(size) for size in config.input_px]
    if any(rest):
        x = layers.ZeroPadding2D(((0, rest[0]), (0, rest[1])), name="pad")(x)
    x = _conv(96, _FIRST_KERNEL_PX, "conv1", strides=_FIRST_STRIDE_PX, padding="valid")(x)
    x = _pool("pool1")(x)  # (batch, 27, 27, 96) from 55
    x = _local_response("lrn1")(x)
    x = _conv(256, 5, "conv2")(x)
    x = _pool("pool2")(x)  # (batch, 13, 13, 256)
    x = _local_response("lrn2")(x)
    x = _conv(384, 3, "conv3")(x)
    x = _conv(384, 3, "conv4")(x)
    x = _conv(256, 3, "conv5")(x)
    x = _pool("pool5")(x)  # (batch, 6, 6, 256)
    x = layers.Flatten(name="flatten")(x)  # (batch, 9216)
    for number in (6, 7):
        x = layers.Dense(
            config.dense_units,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"dense{number}",
        )(x)
        x = layers.Dropout(config.dropout, name=f"dropout{number}")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="alexnet")


def _missing_px(size_px: int) -> int:
    """Pixels by which a picture falls short of a whole number of the first layer's windows."""
    return (_FIRST_KERNEL_PX - size_px) % _FIRST_STRIDE_PX


def _conv(
    filters: int, kernel_px: int, name: str, *, strides: int = 1, padding: str = "same"
) -> layers.Conv2D:
    return layers.Conv2D(
        filters,
        kernel_px,
        strides=strides,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )


def _pool(name: str) -> layers.MaxPooling2D:
    return layers.MaxPooling2D(3, strides=2, name=name)


def _local_response(name: str) -> LocalResponseNormalisation:
    # The paper's k, n, alpha and beta: five channels are two on either side.
    return LocalResponseNormalisation(2, bias=2.0, alpha=1e-4, beta=0.75, name=name)
