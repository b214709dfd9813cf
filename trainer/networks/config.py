"""Settings of every network: input, normalisation and what can be varied.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from foundation.settings import name_alone
from trainer.networks.base import NetworkSettings, Normalisation
from trainer.networks.classic_config import (
    AlexnetConfig,
    Lenet5Config,
    Lenet5ReluConfig,
    PetCnnConfig,
    SoftmaxConfig,
    Vgg16Config,
)
from trainer.networks.layers_config import LayersConfig
from trainer.networks.transfer_config import TransferConfig
from trainer.preprocessing.image import ImageSpec


class DogCnnConfig(NetworkSettings):
    """The cut-down AlexNet for Stanford Dogs: 250 x 151 grey-scale, fixed by its source."""

    source: ClassVar[str] = "dog-breed CNN on Stanford Dogs"

    name: Literal["dog_cnn"] = "dog_cnn"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the 512 dense units dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=250, width_px=151, channels=1)


class ResidualConfig(NetworkSettings):
    """A compact pre-activation residual network: the default."""

    source: ClassVar[str] = "after He et al. 2016, arxiv.org/abs/1603.05027"
    takes_any_size: ClassVar[bool] = True

    name: Literal["residual"] = "residual"
    """The network's name."""
    normalise: Normalisation = "minus_one_to_one"
    """What the network does to the pixels first."""
    input_px: int = Field(default=64, ge=32, le=320)
    """Height and width of the picture in pixels."""
    width: int = Field(default=16, ge=4, le=256)
    """Filters of the first stage; each later stage has twice as many."""
    blocks: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        default=(1, 1, 1, 1), min_length=1, max_length=6
    )
    """Residual blocks in each stage; all stages but the first halve height and width."""
    squeeze: bool = False
    """Weigh the channels of every block by what the whole picture holds: squeeze and excitation."""
    stem_stride: Literal[1, 2] = 2
    """Stride of the first convolution; 2 quarters the cost of everything behind it."""
    batch_norm_momentum: float = Field(default=0.9, ge=0, lt=1)
    """How slowly the running averages of batch normalisation follow: 0.9 settles within a hundred
    steps; longer runs do better with more."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the pooled features dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=self.input_px, width_px=self.input_px)


AnyNetworkConfig = (
    SoftmaxConfig
    | Lenet5Config
    | Lenet5ReluConfig
    | DogCnnConfig
    | PetCnnConfig
    | AlexnetConfig
    | Vgg16Config
    | LayersConfig
    | ResidualConfig
    | TransferConfig
)
"""The settings of one network, whichever it is."""

NetworkConfig = Annotated[
    Annotated[AnyNetworkConfig, Field(discriminator="name")], BeforeValidator(name_alone)
]
"""The same in a configuration, where a name may stand for a network with its defaults."""

NETWORKS: dict[str, type[AnyNetworkConfig]] = {
    config.model_fields["name"].default: config for config in get_args(AnyNetworkConfig)
}
"""Every network's settings by its name."""
