"""Settings of the published networks whose layers are fixed: from softmax to VGG-16.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import InputSize, Normalisation, SizedNetworkSettings

Filters = Annotated[int, Field(ge=1, le=1024)]


class SoftmaxConfig(SizedNetworkSettings):
    """One layer from the pixels to the logits: the base line."""

    source: ClassVar[str] = "base line of the side-by-side comparison; MNIST"

    name: Literal["softmax"] = "softmax"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (28, 28)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 1
    """3 for RGB, 1 for grey-scale."""

    @property
    def source_classes(self) -> int:
        """The ten digits."""
        return 10


class Lenet5Config(SizedNetworkSettings):
    """LeNet-5: two convolutions with sigmoid and average pooling, three dense layers."""

    source: ClassVar[str] = "LeCun et al. 1998, doi.org/10.1109/5.726791"
    min_px: ClassVar[int] = 12

    name: Literal["lenet5"] = "lenet5"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (28, 28)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 1
    """3 for RGB, 1 for grey-scale."""
    filters: tuple[Filters, Filters] = (6, 16)
    """Filters of the two convolutions."""

    @property
    def source_classes(self) -> int:
        """The ten digits."""
        return 10


class Lenet5ReluConfig(SizedNetworkSettings):
    """LeNet-5 with ReLU, max pooling and more filters."""

    source: ClassVar[str] = "variant of LeCun et al. 1998, doi.org/10.1109/5.726791"
    min_px: ClassVar[int] = 12

    name: Literal["lenet5_relu"] = "lenet5_relu"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (28, 28)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 1
    """3 for RGB, 1 for grey-scale."""
    filters: tuple[Filters, Filters] = (32, 64)
    """Filters of the two convolutions."""

    @property
    def source_classes(self) -> int:
        """The ten digits."""
        return 10


class PetCnnConfig(SizedNetworkSettings):
    """A small VGG for Oxford-IIIT Pets: two pairs of convolutions, much dropout."""

    source: ClassVar[str] = "pet classifier on Oxford-IIIT Pets"

    name: Literal["pet_cnn"] = "pet_cnn"
    """The network's name."""
    normalise: Normalisation = "mean_image"
    """What the network does to the pixels first."""
    input_px: InputSize = (224, 224)
    """Height and width of the picture in pixels; one number stands for both."""
    pool_dropout: float = Field(default=0.8, ge=0, lt=1)
    """Share of the values dropped behind each pool while training; the source keeps 0.2."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the 512 dense units dropped while training."""

    @property
    def source_classes(self) -> int:
        """The breeds of Oxford-IIIT Pets."""
        return 37


class AlexnetConfig(SizedNetworkSettings):
    """AlexNet in one column, with local response normalisation."""

    source: ClassVar[str] = "Krizhevsky et al. 2012, doi.org/10.1145/3065386"
    min_px: ClassVar[int] = 64  # 15 behind the first convolution; 7, 3, 1 behind the pools

    name: Literal["alexnet"] = "alexnet"
    """The network's name."""
    normalise: Normalisation = "mean_image"
    """What the network does to the pixels first."""
    input_px: InputSize = (227, 227)
    """Height and width of the picture in pixels; one number stands for both. Zeros are added below
    and on the right until the first layer's windows fit in: 3 to the paper's 224."""
    dense_units: int = Field(default=4096, ge=1, le=8192)
    """Units of each of the two hidden dense layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the units of both hidden dense layers dropped while training."""

    @property
    def source_classes(self) -> int:
        """The classes of ImageNet."""
        return 1000


class Vgg16Config(SizedNetworkSettings):
    """VGG-16, configuration D: thirteen 3 x 3 convolutions, three dense layers."""

    source: ClassVar[str] = "Simonyan & Zisserman 2014, arxiv.org/abs/1409.1556"
    min_px: ClassVar[int] = 32

    name: Literal["vgg16"] = "vgg16"
    """The network's name."""
    normalise: Normalisation = "per_channel"
    """What the network does to the pixels first."""
    input_px: InputSize = (224, 224)
    """Height and width of the picture in pixels; one number stands for both."""
    dense_units: int = Field(default=4096, ge=1, le=8192)
    """Units of each of the two hidden dense layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the units of both hidden dense layers dropped while training."""

    @property
    def source_classes(self) -> int:
        """The classes of ImageNet."""
        return 1000
