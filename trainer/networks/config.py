"""Settings of every network: input, normalisation and what can be varied.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from trainer.settings import ImageSpec, Settings, name_alone

Normalisation = Literal["zero_to_one", "minus_one_to_one", "mean_image", "per_channel"]
"""What a network does to the pixels first. `zero_to_one` divides by 256, `minus_one_to_one` maps
[0, 255] to [-1, 1]; `mean_image` subtracts the mean picture of the train split and divides by 255;
`per_channel` subtracts the mean and divides by the standard deviation of each colour over the train
split."""


class NetworkSettings(Settings):
    """What every network declares."""

    normalise: Normalisation
    """What the network does to the pixels first."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        raise NotImplementedError


class DogCnnConfig(NetworkSettings):
    """The cut-down AlexNet for Stanford Dogs: 250 x 151 grey-scale, fixed by its source."""

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

    name: Literal["residual"] = "residual"
    """The network's name."""
    normalise: Normalisation = "minus_one_to_one"
    """What the network does to the pixels first."""
    input_px: int = Field(default=64, ge=32, le=320)
    """Height and width of the picture in pixels."""
    width: int = Field(default=16, ge=4, le=256)
    """Filters of the first stage; each later stage has twice as many."""
    stages: int = Field(default=4, ge=2, le=6)
    """Number of stages; all but the first halve height and width."""
    blocks_per_stage: int = Field(default=1, ge=1, le=8)
    """Residual blocks in each stage."""
    stem_stride: Literal[1, 2] = 2
    """Stride of the first convolution; 2 quarters the cost of everything behind it."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the pooled features dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=self.input_px, width_px=self.input_px)


NetworkConfig = Annotated[
    Annotated[DogCnnConfig | ResidualConfig, Field(discriminator="name")],
    BeforeValidator(name_alone),
]
