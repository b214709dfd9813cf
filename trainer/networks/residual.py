"""A compact residual network for pictures of 32 to 320 pixels: the default.

Pre-activation blocks after He et al., "Identity Mappings in Deep Residual Networks"
(https://arxiv.org/abs/1603.05027). Where size or width changes, the shortcut is averaged and
projected, which loses nothing of the picture (He et al., "Bag of Tricks",
https://arxiv.org/abs/1812.01187). Optionally channels are weighed as in Hu et al.,
"Squeeze-and-Excitation Networks" (https://arxiv.org/abs/1709.01507).
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.config import ResidualConfig
from trainer.networks.normalise import normalised_input
from trainer.networks.statistics import PictureStatistics

_SQUEEZE_RATIO = 8


def build_residual(
    config: ResidualConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network.

    Args:
        config: size, width and depth.
        num_classes: number of breeds.
        statistics: of the train split, where `config.normalise` needs them.

    Returns:
        A model from `(batch, input_px, input_px, 3)` uint8 to `(batch, num_classes)` float32
        logits.
    """
    pictures, x = normalised_input(config, statistics)
    x = _conv(config.width, 3, strides=config.stem_stride, name="stem")(x)
    for stage, num_blocks in enumerate(config.blocks):
        for block in range(num_blocks):
            x = _block(
                x,
                filters=config.width * 2**stage,
                strides=2 if stage > 0 and block == 0 else 1,
                config=config,
                name=f"stage{stage + 1}_block{block + 1}",
            )
    x = _normalise_and_activate(x, config, name="final")
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (batch, width * 2 ** (len(blocks) - 1))
    x = layers.Dropout(config.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="residual")


def _block(
    x: keras.KerasTensor, *, filters: int, strides: int, config: ResidualConfig, name: str
) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a shortcut; `strides` divides height and width."""
    activated = _normalise_and_activate(x, config, name=f"{name}_1")
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = activated
        if strides != 1:
            shortcut = layers.AveragePooling2D(strides, padding="same", name=f"{name}_average")(
                shortcut
            )
        shortcut = _conv(filters, 1, strides=1, name=f"{name}_projection")(shortcut)
    residual = _conv(filters, 3, strides=strides, name=f"{name}_conv1")(activated)
    residual = _normalise_and_activate(residual, config, name=f"{name}_2")
    residual = _conv(filters, 3, strides=1, name=f"{name}_conv2")(residual)
    if config.squeeze:
        residual = _weigh_channels(residual, name=f"{name}_squeeze")
    return layers.Add(name=f"{name}_add")([shortcut, residual])


def _weigh_channels(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    filters = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    weights = layers.Conv2D(
        max(filters // _SQUEEZE_RATIO, _SQUEEZE_RATIO), 1, activation="relu", name=f"{name}_reduce"
    )(weights)
    weights = layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_expand")(weights)
    return layers.Multiply(name=f"{name}_weigh")([x, weights])


def _normalise_and_activate(
    x: keras.KerasTensor, config: ResidualConfig, *, name: str
) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _conv(filters: int, kernel_px: int, *, strides: int, name: str) -> layers.Conv2D:
    return layers.Conv2D(
        filters,
        kernel_px,
        strides=strides,
        padding="same",
        use_bias=False,  # the normalisation behind it has an offset of its own
        kernel_initializer="he_normal",
        name=name,
    )
