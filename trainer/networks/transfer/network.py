"""A backbone with a new last layer: of keras.applications, or of a `.keras` file of anybody's.

The backbone's layers are layers of the model itself, not of a model inside it, so that the layer
table, pictures of feature maps and `fine_tune_from_layer` reach them by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from zipfile import BadZipFile

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from trainer.networks.base import NetworkSettings
from trainer.networks.transfer.backbones import (
    BACKBONES,
    TORCH_SD,
    Preprocessing,
    normalise_for_backbone,
)
from trainer.networks.transfer.keras_file import load_backbone, put_behind, read_keras_file
from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    import keras

    from trainer.networks.statistics import PictureStatistics

_OURS = ("pictures", "normalise", "features", "dropout", "logits")
"""Layers that are no part of the backbone."""


class TransferConfig(NetworkSettings):
    """A pretrained backbone with a new last layer: first frozen, then fine-tuned."""

    source: ClassVar[str] = "keras.io/api/applications"

    name: Literal["transfer"] = "transfer"
    """The network's name."""
    normalise: Literal["backbone"] = "backbone"  # type: ignore[assignment]
    """The backbone's own preprocessing."""
    backbone: str = "EfficientNetV2B0"
    """A model of keras.applications by its name there, or a `.keras` file, of which everything
    before its last global pool is taken."""
    weights: str | None = Field(default=None, min_length=1)
    """Where the backbone's weights come from: `imagenet`, which Keras downloads, `none` for random
    ones, or a file for machines with no internet: `.weights.h5`, `.h5` or `.keras` of the backbone
    without its top, such as the `..._notop.h5` that Keras publishes. Nothing means those in the
    backbone's own `.keras` file, or `imagenet`. `dogbreed weights` checks and fetches them."""
    scaling: Preprocessing | None = None
    """How the backbone wants its pixels: `tf` in [-1, 1], `zero_to_one` in [0, 1], `torch` and
    `caffe` as keras.applications has them, `inside` in [0, 255] because it scales them itself.
    Nothing means what keras.applications does for it; for a `.keras` file, `inside` where its first
    layers do."""
    input_px: int = Field(default=224, ge=32, le=1024)
    """Height and width of the picture in pixels; for a `.keras` file that is there, those of its
    input unless said."""
    feature_copies: int = Field(default=2, ge=0, le=64)
    """While the backbone is frozen, it computes the features of this many copies of each picture
    once, and each epoch draws one of them: the picture, its mirror image if `augment.flip` is set,
    and from there on random augmentations; nothing is mixed. 0 computes them anew in every step."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the pooled features dropped while training."""
    frozen_fraction: float | None = Field(default=None, ge=0, le=1)
    """Share of the epochs in which only the last layer learns; the rest fine-tunes the backbone as
    well. Nothing means half, or 0 with weights `none`."""
    fine_tune_learning_rate_fraction: float = Field(default=0.1, gt=0, le=1)
    """Share of the learning rate that is left for fine-tuning."""
    fine_tune_from_layer: str | None = None
    """First layer of the backbone that fine-tuning changes, by its name in Keras; those before it
    stay frozen. Nothing means all of them."""

    @model_validator(mode="before")
    @classmethod
    def _sized_as_the_file(cls, settings: Any) -> Any:
        backbone = settings.get("backbone") if isinstance(settings, Mapping) else None
        if isinstance(backbone, str) and _is_file(backbone) and "input_px" not in settings:
            # A file that is not here, or is none, is another check's affair: it may be a cluster's.
            try:
                input_px = read_keras_file(Path(backbone)).input_px
            except (OSError, ValueError):
                return settings
            return settings if input_px is None else {**settings, "input_px": input_px}
        return settings

    @field_validator("backbone")
    @classmethod
    def _known(cls, backbone: str) -> str:
        if backbone not in BACKBONES and not _is_file(backbone):
            lower = {name.lower(): name for name in BACKBONES}
            close = difflib.get_close_matches(backbone.lower(), lower, n=3)
            hint = " or ".join(lower[name] for name in close) or ", ".join(BACKBONES)
            raise ValueError(
                f"keras.applications has no such backbone. Did you mean {hint}? A path that ends "
                "in .keras is a file of your own"
            )
        return backbone

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        if not self.is_file and self.input_px < (min_px := BACKBONES[self.backbone].min_px):
            raise ValueError(f"{self.backbone} needs input_px of at least {min_px}")
        return self

    @model_validator(mode="after")
    def _nothing_random_is_frozen(self) -> Self:
        if self.weights == "none" and self.frozen_fraction:
            raise ValueError(
                "weights none and frozen_fraction exclude each other: a frozen backbone would stay "
                "random"
            )
        return self

    @model_validator(mode="after")
    def _weights_in_one_file(self) -> Self:
        if self.is_file and self.weights not in (None, "none"):
            raise ValueError(
                "weights and a backbone in a .keras file exclude each other: its weights are in it"
            )
        return self

    @property
    def is_file(self) -> bool:
        """Whether the backbone is a `.keras` file."""
        return _is_file(self.backbone)

    @property
    def from_imagenet(self) -> bool:
        """Whether the weights are those that Keras downloads."""
        return not self.is_file and self.weights in (None, "imagenet")

    @property
    def weights_file(self) -> Path | None:
        """The file that the weights are read from; None where Keras has them, or there are none."""
        if self.weights == "none" or self.from_imagenet:
            return None
        return Path(self.weights or self.backbone)

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=self.input_px, width_px=self.input_px)

    def num_frozen_epochs(self, epochs: int) -> int:
        """Epochs with a frozen backbone, the first ones, of `epochs` in all."""
        if self.weights == "none":
            return 0
        share = 0.5 if self.frozen_fraction is None else self.frozen_fraction
        return round(share * epochs)

    def normalised(
        self, pictures: keras.KerasTensor, statistics: PictureStatistics | None
    ) -> keras.KerasTensor:
        """Does the backbone's own preprocessing; statistics are not looked at.

        Raises:
            ValueError: neither the settings nor a `.keras` file say which that is.
        """
        return normalise_for_backbone(pictures, self._preprocessing())

    def _preprocessing(self) -> Preprocessing:
        if self.scaling is not None:
            return self.scaling
        if not self.is_file:
            return BACKBONES[self.backbone].preprocessing
        if read_keras_file(Path(self.backbone)).scales_pixels:
            return "inside"
        raise ValueError(
            f"{self.backbone} does not scale its pixels, so they must come scaled: set "
            "trainer.network.scaling to tf for [-1, 1], zero_to_one, torch or caffe, or to inside "
            "if it learned from [0, 255]"
        )

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`. The backbone is frozen unless its weights are random.

        Raises:
            ConnectionError: the ImageNet weights cannot be downloaded.
            OSError: a file cannot be read.
            ValueError: this Keras lacks the backbone, the backbone has no layer
                `fine_tune_from_layer`, or a file holds something else.
        """
        from keras import layers

        features, backbone = _backbone(self, pixels)
        _set_trainable(backbone, self, trainable=self.weights == "none")
        if len(features.shape) == 4:
            x = layers.GlobalAveragePooling2D(name="features")(features)
        else:  # pooled inside
            x = layers.Flatten(name="features")(features)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)


def _is_file(backbone: str) -> bool:
    return backbone.endswith(".keras")


def set_backbone_trainable(model: keras.Model, config: TransferConfig, trainable: bool) -> None:
    """Freezes the backbone, or opens it for fine-tuning.

    A frozen `BatchNormalization` uses its running averages in training too. Where the weights were
    learned before, it stays frozen while fine-tuning: a few small batches would spoil averages that
    all layers rely on (https://keras.io/guides/transfer_learning/). The model has to be compiled
    again afterwards, with a new optimizer, as the old one knows other variables.

    Args:
        model: the network.
        config: what it was built from.
        trainable: whether the backbone learns, from `config.fine_tune_from_layer` on.

    Raises:
        ValueError: the backbone has no such layer.
    """
    backbone = [layer for layer in model.layers if layer.name not in _OURS]
    _set_trainable(backbone, config, trainable)


def _set_trainable(
    backbone: Sequence[keras.layers.Layer], config: TransferConfig, trainable: bool
) -> None:
    from keras import layers

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
    inner = getattr(layer, "layers", ())  # of a model inside the model
    return [layer, *(each for child in inner for each in _with_inner_layers(child))]


def _backbone(
    config: TransferConfig, x: keras.KerasTensor
) -> tuple[keras.KerasTensor, list[keras.layers.Layer]]:
    """Puts the backbone with its weights behind `x`.

    Returns:
        Its last feature map, or its features where it pools them itself, and its layers.
    """
    import keras

    if config.is_file:
        with_weights = config.weights is None
        model = load_backbone(Path(config.backbone), with_weights=with_weights)
        try:
            return put_behind(model, x, _OURS, with_weights=with_weights)
        except (ValueError, TypeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"trainer.network.backbone: {config.backbone} does not take pictures of "
                f"{config.image.shape}: {reason}"
            ) from error
    build = getattr(keras.applications, config.backbone, None)
    if build is None:
        raise ValueError(f"Keras {keras.__version__} has no keras.applications.{config.backbone}.")
    try:
        backbone = build(
            include_top=False,
            weights="imagenet" if config.from_imagenet else None,
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
    if config.weights_file is not None:
        _load(backbone, config)
    return backbone.output, [layer for layer in backbone.layers if layer.name not in _OURS]


def _load(backbone: keras.Model, config: TransferConfig) -> None:
    """Fills a backbone of keras.applications from a file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file holds other weights, or none at all.
    """
    from keras import layers

    if not Path(str(config.weights)).is_file():
        raise FileNotFoundError(
            f"There is no file {config.weights}, which trainer.network.weights names; 'imagenet' "
            "and 'none' are the alternatives."
        )
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


def _divide_once_more(layer: keras.layers.Normalization) -> None:
    """Divides by the root of each colour's spread, if the layer holds ImageNet's statistics.

    EfficientNet's published weights belong to a model that does so. Keras adds a layer for it where
    it downloads them, but not where they come from a file
    (https://github.com/tensorflow/tensorflow/issues/49930).
    """
    import numpy as np

    variance, sd = np.asarray(layer.adapt_variance), np.array(TORCH_SD)
    if np.allclose(variance, sd**2, rtol=1e-3):
        layer.adapt_variance.assign(variance * sd)
        layer.finalize_state()
