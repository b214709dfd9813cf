"""The pixels as a backbone wants them, in layers that are saved with the model.

What `preprocess_input` of the modules of keras.applications does before a model, this does inside.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from trainer.networks.backbones import Preprocessing

# keras.applications.imagenet_utils.preprocess_input
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_TORCH_MEAN = np.array((0.485, 0.456, 0.406))

IMAGENET_SD = np.array((0.229, 0.224, 0.225))
"""Spread of ImageNet's red, green and blue, of values in [0, 1]."""


def normalise_for_backbone(
    pictures: keras.KerasTensor, preprocessing: Preprocessing
) -> keras.KerasTensor:
    """Does what the backbone's `preprocess_input` does, in float32 under every precision policy.

    Args:
        pictures: `(batch, height, width, 3)` uint8 in [0, 255].
        preprocessing: which of its kinds.

    Returns:
        The output of a layer `normalise`, of the same shape.
    """
    if preprocessing == "caffe":
        blue_first = keras.ops.flip(pictures, axis=-1)
        return _rescaling(1.0, [-mean for mean in _CAFFE_MEAN_BGR])(blue_first)
    if preprocessing == "torch":
        scale = 1 / (255 * IMAGENET_SD)
        offset = -_TORCH_MEAN / IMAGENET_SD
        return _rescaling(scale.tolist(), offset.tolist())(pictures)
    if preprocessing == "tf":
        return _rescaling(1 / 127.5, -1.0)(pictures)
    return _rescaling(1.0, 0.0)(pictures)


def _rescaling(scale: float | list[float], offset: float | list[float]) -> layers.Rescaling:
    return layers.Rescaling(scale, offset=offset, dtype="float32", name="normalise")
