"""A backbone of keras.applications with a new last layer.

The backbone's layers are layers of the model itself, not of a model inside it, so that the layer
table, pictures of feature maps and `fine_tune_from_layer` reach them by name.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from keras import layers

from trainer.networks.backbone_input import IMAGENET_SD, normalise_for_backbone
from trainer.networks.backbones import BACKBONES
from trainer.networks.statistics import PictureStatistics
from trainer.networks.transfer_config import TransferConfig

_OURS = ("pictures", "normalise", "features", "dropout", "logits")
"""Layers that are no part of the backbone."""


def build_transfer(
    config: TransferConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network. Its backbone is frozen unless its weights are random.

    Args:
        config: backbone, weights and input size.
        num_classes: number of breeds.
        statistics: not looked at; the backbone's own preprocessing is part of the model.

    Returns:
        A model from `(batch, input_px, input_px, 3)` uint8 to `(batch, num_classes)` float32
        logits.

    Raises:
        FileNotFoundError: there is no file `config.weights`.
        ConnectionError: the ImageNet weights cannot be downloaded.
        ValueError: this Keras lacks the backbone, the backbone has no layer
            `config.fine_tune_from_layer`, or the file holds other weights.
    """
    pictures = keras.Input(config.image.shape, dtype="uint8", name="pictures")
    backbone = _backbone(
        config, normalise_for_backbone(pictures, BACKBONES[config.backbone].preprocessing)
    )
    x = layers.GlobalAveragePooling2D(name="features")(backbone.output)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    model = keras.Model(pictures, logits, name="transfer")
    set_backbone_trainable(model, config, trainable=config.weights == "none")
    return model


def set_backbone_trainable(model: keras.Model, config: TransferConfig, trainable: bool) -> None:
    """Freezes the backbone, or opens it for fine-tuning.

    A frozen `BatchNormalization` uses its running averages in training too. Where the weights were
    learned before, it stays frozen while fine-tuning: a few small batches would spoil averages that
    all layers rely on (https://keras.io/guides/transfer_learning/). The model has to be compiled
    again afterwards, with a new optimizer, as the old one knows other variables.

    Args:
        model: from `build_transfer`.
        config: what it was built from.
        trainable: whether the backbone learns, from `config.fine_tune_from_layer` on.

    Raises:
        ValueError: the backbone has no such layer.
    """
    backbone = [layer for layer in model.layers if layer.name not in _OURS]
    names = [layer.name for layer in backbone]
    first = config.fine_tune_from_layer
    if first is not None and first not in names:
        close = difflib.get_close_matches(first, names, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"fine_tune_from_layer: {config.backbone} has no layer {first!r}.{hint} "
            f"'dogbreed models transfer --set backbone={config.backbone}' lists them all."
        )
    from_index = names.index(first) if first is not None else 0
    for index, layer in enumerate(backbone):
        layer.trainable = trainable and index >= from_index
        if config.weights != "none":
            for inner in _with_inner_layers(layer):
                if isinstance(inner, layers.BatchNormalization):
                    inner.trainable = False


def _with_inner_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    inner = layer.layers if isinstance(layer, keras.Model) else []
    return [layer, *(each for child in inner for each in _with_inner_layers(child))]


def _backbone(config: TransferConfig, x: keras.KerasTensor) -> keras.Model:
    """Makes the backbone behind `x`, with its weights."""
    build = getattr(keras.applications, config.backbone, None)
    if build is None:
        raise ValueError(f"Keras {keras.__version__} has no keras.applications.{config.backbone}.")
    from_file = config.weights not in ("imagenet", "none")
    if from_file and not Path(config.weights).is_file():
        raise FileNotFoundError(
            f"There is no file {config.weights}, which trainer.network.weights names; 'imagenet' "
            "and 'none' are the alternatives."
        )
    try:
        backbone = build(
            include_top=False,
            weights="imagenet" if config.weights == "imagenet" else None,
            input_tensor=x,
            input_shape=config.image.shape,
        )
    except Exception as error:  # Keras raises nothing narrower when a download fails
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            f"The ImageNet weights of {config.backbone} cannot be downloaded here: set "
            "trainer.network.weights to a local file of them, or to none."
        ) from error
    if from_file:
        _load(backbone, config)
    return backbone


def _load(backbone: keras.Model, config: TransferConfig) -> None:
    """Fills a backbone from a file.

    Raises:
        ValueError: the file holds other weights, or none at all.
    """
    try:
        backbone.load_weights(config.weights)
    except (ValueError, KeyError, OSError, TypeError, BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0].partition(" Example error")[0]
        raise ValueError(
            f"trainer.network.weights: {config.weights} does not hold the weights of "
            f"{config.backbone} without its top: {reason}"
        ) from error
    if config.backbone.startswith("EfficientNetB"):
        for layer in backbone.layers:
            if isinstance(layer, layers.Normalization):
                _divide_once_more(layer)


def _divide_once_more(layer: layers.Normalization) -> None:
    """Divides by the root of each colour's spread, if the layer holds ImageNet's statistics.

    EfficientNet's published weights belong to a model that does so. Keras adds a layer for it where
    it downloads them, but not where they come from a file
    (https://github.com/tensorflow/tensorflow/issues/49930).
    """
    variance = np.asarray(layer.adapt_variance)
    if np.allclose(variance, IMAGENET_SD**2, rtol=1e-3):
        layer.adapt_variance.assign(variance * IMAGENET_SD)
        layer.finalize_state()
