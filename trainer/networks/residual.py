"""A compact residual network for pictures of 32 to 320 pixels: the default.

Pre-activation blocks after He et al., "Identity Mappings in Deep Residual Networks"
(https://arxiv.org/abs/1603.05027), with a projection wherever size or width changes.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.config import ResidualConfig

# Fewer steps than the running averages' usual 0.99 needs: a sample run has some hundred in all.
_BATCH_NORM_MOMENTUM = 0.9


def build_residual(config: ResidualConfig, num_classes: int) -> keras.Model:
    """Builds the network.

    Args:
        config: size, width and depth.
        num_classes: number of breeds.

    Returns:
        A model from `(batch, input_px, input_px, 3)` uint8 to `(batch, num_classes)` float32
        logits.
    """
    pictures = keras.Input(config.image.shape, dtype="uint8", name="pictures")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="normalise")(pictures)
    x = _conv(config.width, 3, strides=config.stem_stride, name="stem")(x)
    for stage in range(config.stages):
        for block in range(config.blocks_per_stage):
            x = _block(
                x,
                filters=config.width * 2**stage,
                strides=2 if stage > 0 and block == 0 else 1,
                name=f"stage{stage + 1}_block{block + 1}",
            )
    x = _normalise_and_activate(x, name="final")
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (batch, width * 2 ** (stages - 1))
    x = layers.Dropout(config.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(pictures, logits, name="residual")


def _block(x: keras.KerasTensor, *, filters: int, strides: int, name: str) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a shortcut; `strides` divides height and width."""
    activated = _normalise_and_activate(x, name=f"{name}_1")
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = _conv(filters, 1, strides=strides, name=f"{name}_projection")(activated)
    residual = _conv(filters, 3, strides=strides, name=f"{name}_conv1")(activated)
    residual = _normalise_and_activate(residual, name=f"{name}_2")
    residual = _conv(filters, 3, strides=1, name=f"{name}_conv2")(residual)
    return layers.Add(name=f"{name}_add")([shortcut, residual])


def _normalise_and_activate(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
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
