"""A backbone of keras.applications with a new last layer.

The backbone's layers are layers of the model itself, not of a model inside it, so that the layer
table, pictures of feature maps and `fine_tune_from_layer` reach them by name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from zipfile import BadZipFile

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from trainer.networks.base import NetworkSettings
from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    import keras

    from trainer.networks.statistics import PictureStatistics

Preprocessing = Literal["tf", "caffe", "torch", "inside"]
"""How a backbone wants its pixels. `tf`: scaled to [-1, 1]. `caffe`: blue first, less the mean of
each colour. `torch`: scaled to [0, 1], less the mean and divided by the spread of each colour.
`inside`: as they are; the backbone has layers of its own for it."""


@dataclass(frozen=True)
class BackboneFamily:
    """One family of keras.applications."""

    module: str
    """Its module within keras.applications."""
    names: tuple[str, ...]
    """Its members."""
    preprocessing: Preprocessing
    """How its members want their pixels."""
    min_px: int = 32
    """Least height and width of a picture."""


_FAMILIES = (
    BackboneFamily(
        "convnext",
        ("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
        "inside",
    ),
    BackboneFamily("densenet", ("DenseNet121", "DenseNet169", "DenseNet201"), "torch"),
    BackboneFamily("efficientnet", tuple(f"EfficientNetB{size}" for size in range(8)), "inside"),
    BackboneFamily(
        "efficientnet_v2",
        tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
        "inside",
    ),
    BackboneFamily("inception_resnet_v2", ("InceptionResNetV2",), "tf", min_px=75),
    BackboneFamily("inception_v3", ("InceptionV3",), "tf", min_px=75),
    BackboneFamily("mobilenet", ("MobileNet",), "tf"),
    BackboneFamily("mobilenet_v2", ("MobileNetV2",), "tf"),
    BackboneFamily("mobilenet_v3", ("MobileNetV3Small", "MobileNetV3Large"), "inside"),
    BackboneFamily("nasnet", ("NASNetMobile", "NASNetLarge"), "tf"),
    BackboneFamily("resnet", ("ResNet50", "ResNet101", "ResNet152"), "caffe"),
    BackboneFamily("resnet_v2", ("ResNet50V2", "ResNet101V2", "ResNet152V2"), "tf"),
    BackboneFamily("vgg16", ("VGG16",), "caffe"),
    BackboneFamily("vgg19", ("VGG19",), "caffe"),
    BackboneFamily("xception", ("Xception",), "tf", min_px=71),
)

BACKBONES: dict[str, BackboneFamily] = {
    name: family for family in _FAMILIES for name in family.names
}
"""Every backbone's family by the backbone's name. A table, so that a misspelled name is found
before Keras is imported, which takes seconds. A test compares it with keras.applications."""

# keras.applications.imagenet_utils.preprocess_input
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_SD = (0.229, 0.224, 0.225)

_OURS = ("pictures", "normalise", "features", "dropout", "logits")
"""Layers that are no part of the backbone."""


class TransferConfig(NetworkSettings):
    """A backbone of keras.applications with a new last layer: first frozen, then fine-tuned."""

    source: ClassVar[str] = "keras.io/api/applications"

    name: Literal["transfer"] = "transfer"
    """The network's name."""
    normalise: Literal["backbone"] = "backbone"  # type: ignore[assignment]
    """The backbone's own preprocessing."""
    backbone: str = "EfficientNetV2B0"
    """A model of keras.applications by its name there."""
    weights: str = Field(default="imagenet", min_length=1)
    """Where the backbone's weights come from: `imagenet`, which Keras downloads, `none` for random
    ones, or a file for machines with no internet: `.weights.h5`, `.h5` or `.keras` of the backbone
    without its top, such as the `..._notop.h5` that Keras publishes."""
    input_px: int = Field(default=224, ge=32, le=1024)
    """Height and width of the picture in pixels."""
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

    @field_validator("backbone")
    @classmethod
    def _known(cls, backbone: str) -> str:
        if backbone not in BACKBONES:
            lower = {name.lower(): name for name in BACKBONES}
            close = difflib.get_close_matches(backbone.lower(), lower, n=3)
            hint = " or ".join(lower[name] for name in close) or ", ".join(BACKBONES)
            raise ValueError(f"keras.applications has no such backbone. Did you mean {hint}?")
        return backbone

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        min_px = BACKBONES[self.backbone].min_px
        if self.input_px < min_px:
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
        """Does the backbone's own preprocessing; statistics are not looked at."""
        return normalise_for_backbone(pictures, BACKBONES[self.backbone].preprocessing)

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`. The backbone is frozen unless its weights are random.

        Raises:
            FileNotFoundError: there is no file `weights`.
            ConnectionError: the ImageNet weights cannot be downloaded.
            ValueError: this Keras lacks the backbone, the backbone has no layer
                `fine_tune_from_layer`, or the file holds other weights.
        """
        from keras import layers

        backbone = _backbone(self, pixels)
        set_backbone_trainable(backbone, self, trainable=self.weights == "none")
        x = layers.GlobalAveragePooling2D(name="features")(backbone.output)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)


def normalise_for_backbone(
    pictures: keras.KerasTensor, preprocessing: Preprocessing
) -> keras.KerasTensor:
    """Does inside the model what the backbone's `preprocess_input` of keras.applications does.

    In float32 under every precision policy.

    Args:
        pictures: `(batch, height, width, 3)` uint8 in [0, 255].
        preprocessing: which of its kinds.

    Returns:
        The output of a layer `normalise`, of the same shape.
    """
    from keras import layers, ops

    scale: float | list[float] = 1.0
    offset: float | list[float] = 0.0
    if preprocessing == "caffe":
        pictures = ops.flip(pictures, axis=-1)  # blue first
        offset = [-mean for mean in _CAFFE_MEAN_BGR]
    elif preprocessing == "torch":
        scale = [1 / (255 * sd) for sd in _TORCH_SD]
        offset = [-mean / sd for mean, sd in zip(_TORCH_MEAN, _TORCH_SD, strict=True)]
    elif preprocessing == "tf":
        scale, offset = 1 / 127.5, -1.0
    return layers.Rescaling(scale, offset=offset, dtype="float32", name="normalise")(pictures)


def set_backbone_trainable(model: keras.Model, config: TransferConfig, trainable: bool) -> None:
    """Freezes the backbone, or opens it for fine-tuning.

    A frozen `BatchNormalization` uses its running averages in training too. Where the weights were
    learned before, it stays frozen while fine-tuning: a few small batches would spoil averages that
    all layers rely on (https://keras.io/guides/transfer_learning/). The model has to be compiled
    again afterwards, with a new optimizer, as the old one knows other variables.

    Args:
        model: the network, or its backbone alone.
        config: what it was built from.
        trainable: whether the backbone learns, from `config.fine_tune_from_layer` on.

    Raises:
        ValueError: the backbone has no such layer.
    """
    from keras import layers

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
    inner = getattr(layer, "layers", ())  # of a model inside the model
    return [layer, *(each for child in inner for each in _with_inner_layers(child))]


def _backbone(config: TransferConfig, x: keras.KerasTensor) -> keras.Model:
    """Makes the backbone behind `x`, with its weights."""
    import keras

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
    from keras import layers

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

    variance, sd = np.asarray(layer.adapt_variance), np.array(_TORCH_SD)
    if np.allclose(variance, sd**2, rtol=1e-3):
        layer.adapt_variance.assign(variance * sd)
        layer.finalize_state()
