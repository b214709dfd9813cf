"""A small model with a top, as anybody may have it in a `.keras` file."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np


def write_backbone(path: Path, *, px: int | None = 32, scales_pixels: bool = True) -> keras.Model:
    """Writes a model whose layers have names that a network's own layers have too."""
    keras.utils.set_random_seed(3)
    x = pictures = keras.Input((px, px, 3), name="pictures")
    if scales_pixels:
        x = keras.layers.Rescaling(1 / 128, offset=-1.0, name="normalise")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(12, 3, strides=2, activation="relu", name="last")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dense(6, activation="relu")(x)
    model = keras.Model(pictures, keras.layers.Dense(5, activation="softmax", name="logits")(x))
    rng = np.random.default_rng(3)
    for weight in model.weights:  # running averages too: fresh ones would hide that they are lost
        weight.assign(weight + 0.1 * rng.uniform(size=weight.shape))
    model.save(path)
    return model
