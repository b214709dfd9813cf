"""A network as a user writes one, for tests: a model in a model, a class of its own, no names."""

from __future__ import annotations

import keras
from keras import layers


class Scaled(keras.Model):
    """Knows no graph of its layers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.inner = layers.Conv2D(4, 1)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return self.inner(inputs) * self.factor


def build(
    input_shape: tuple[int, int, int], num_classes: int, *, width: int = 6, factor: float = 1.0
) -> keras.Model:
    pixels = keras.Input(input_shape)
    stem = keras.Sequential([layers.Conv2D(width, 3, activation="relu"), layers.MaxPooling2D()])
    x = Scaled(factor)(stem(pixels))
    x = layers.Conv2D(5, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(num_classes)(x))


def build_sequential(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    return keras.Sequential([layers.Flatten(), layers.Dense(7), layers.Dense(num_classes)])
