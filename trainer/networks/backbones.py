"""The backbones of keras.applications: their names, their preprocessing, their smallest input.

A table, so that a misspelled name is found before anything is read: importing Keras takes seconds.
A test compares it with keras.applications.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
"""Every backbone's family by the backbone's name."""
