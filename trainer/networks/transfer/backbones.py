"""The backbones of keras.applications: how each wants its pixels, and where its weights are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

Preprocessing = Literal["tf", "caffe", "torch", "zero_to_one", "inside"]
"""How a backbone wants its pixels. `tf`: scaled to [-1, 1]. `caffe`: blue first, less the mean of
each colour. `torch`: scaled to [0, 1], less the mean and divided by the spread of each colour.
`zero_to_one`: scaled to [0, 1]. `inside`: as they are; the backbone has layers of its own for
it."""


@dataclass(frozen=True)
class BackboneFamily:
    """One family of keras.applications."""

    module: str
    """Its module within keras.applications."""
    names: tuple[str, ...]
    """Its members."""
    preprocessing: Preprocessing
    """How its members want their pixels."""
    weights: str
    """Where Keras publishes a member's weights without its top, below `_PUBLISHED`: `{name}` is
    the member in lower case, `{variant}` its name without what all members have in common, and
    `{px}` the picture's size that they are for."""
    kept_as: str = ""
    """How Keras calls that file where it keeps it, if not by the last part of its address."""
    min_px: int = 32
    """Least height and width of a picture."""
    weights_px: tuple[int, ...] = (224,)
    """Sizes that there are weights for; other pictures get those of 224."""


_PUBLISHED = "https://storage.googleapis.com/"
_USUAL = "tensorflow/keras-applications/{module}/{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"

_FAMILIES = (
    BackboneFamily(
        "convnext",
        ("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
        "inside",
        "tensorflow/keras-applications/convnext/convnext_{variant}_notop.h5",
    ),
    BackboneFamily("densenet", ("DenseNet121", "DenseNet169", "DenseNet201"), "torch", _USUAL),
    BackboneFamily(
        "efficientnet",
        tuple(f"EfficientNetB{size}" for size in range(8)),
        "inside",
        "keras-applications/{name}_notop.h5",
    ),
    BackboneFamily(
        "efficientnet_v2",
        tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
        "inside",
        "tensorflow/keras-applications/efficientnet_v2/efficientnetv2-{variant}_notop.h5",
    ),
    BackboneFamily(
        "inception_resnet_v2",
        ("InceptionResNetV2",),
        "tf",
        _USUAL.replace("{name}", "inception_resnet_v2"),
        min_px=75,
    ),
    BackboneFamily(
        "inception_v3", ("InceptionV3",), "tf", _USUAL.replace("{name}", "inception_v3"), min_px=75
    ),
    BackboneFamily(
        "mobilenet",
        ("MobileNet",),
        "tf",
        "tensorflow/keras-applications/mobilenet/mobilenet_1_0_{px}_tf_no_top.h5",
        weights_px=(128, 160, 192, 224),
    ),
    BackboneFamily(
        "mobilenet_v2",
        ("MobileNetV2",),
        "tf",
        "tensorflow/keras-applications/mobilenet_v2/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{px}_no_top.h5",
        weights_px=(96, 128, 160, 192, 224),
    ),
    BackboneFamily(
        "mobilenet_v3",
        ("MobileNetV3Small", "MobileNetV3Large"),
        "inside",
        "tensorflow/keras-applications/mobilenet_v3/"
        "weights_mobilenet_v3_{variant}_224_1.0_float_no_top_v2.h5",
    ),
    BackboneFamily(
        "nasnet",
        ("NASNetMobile", "NASNetLarge"),
        "tf",
        "tensorflow/keras-applications/nasnet/NASNet-{variant}-no-top.h5",
        kept_as="nasnet_{variant}_no_top.h5",
    ),
    BackboneFamily("resnet", ("ResNet50", "ResNet101", "ResNet152"), "caffe", _USUAL),
    BackboneFamily(
        "resnet_v2",
        ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
        "tf",
        _USUAL.replace("{module}", "resnet"),
    ),
    BackboneFamily("vgg16", ("VGG16",), "caffe", _USUAL),
    BackboneFamily("vgg19", ("VGG19",), "caffe", _USUAL),
    BackboneFamily("xception", ("Xception",), "tf", _USUAL, min_px=71),
)

BACKBONES: dict[str, BackboneFamily] = {
    name: family for family in _FAMILIES for name in family.names
}
"""Every backbone's family by the backbone's name. A table, so that a misspelled name is found
before Keras is imported, which takes seconds. A test compares it with keras.applications."""


@dataclass(frozen=True)
class PublishedWeights:
    """ImageNet weights that Keras publishes."""

    address: str
    """Where they can be fetched."""
    file_name: str
    """How Keras calls them where it keeps them."""


def published_weights(backbone: str, input_px: int) -> PublishedWeights:
    """Says which file Keras takes for a backbone without its top; a test compares with Keras."""
    family = BACKBONES[backbone]
    parts = {
        "module": family.module,
        "name": backbone.lower(),
        "variant": backbone.removeprefix(os.path.commonprefix(family.names)).lower(),  # noqa: RUF071
        "px": input_px if input_px in family.weights_px else 224,
    }
    address = _PUBLISHED + family.weights.format(**parts)
    kept_as = family.kept_as.format(**parts) or address.rpartition("/")[2]
    return PublishedWeights(address, kept_as)


# keras.applications.imagenet_utils.preprocess_input
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_SD = (0.229, 0.224, 0.225)


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
        scale = [1 / (255 * sd) for sd in TORCH_SD]
        offset = [-mean / sd for mean, sd in zip(_TORCH_MEAN, TORCH_SD, strict=True)]
    elif preprocessing == "tf":
        scale, offset = 1 / 127.5, -1.0
    elif preprocessing == "zero_to_one":
        scale = 1 / 255
    return layers.Rescaling(scale, offset=offset, dtype="float32", name="normalise")(pictures)
