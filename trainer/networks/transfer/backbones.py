"""The backbones of keras.applications: how each wants its pixels, and where its weights are."""

from __future__ import annotations

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
