"""Typed settings of preprocessing, networks and training.

Read by `pipeline.config` on the laptop and rebuilt from JSON inside Transform and Trainer, so this
module imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """Base of every settings group: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ImageSpec(Settings):
    """The picture a network takes, before its own normalisation."""

    height_px: int = Field(ge=8, le=1024)
    """Height in pixels."""
    width_px: int = Field(ge=8, le=1024)
    """Width in pixels."""
    channels: Literal[1, 3] = 3
    """3 for RGB, 1 for grey-scale."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height_px, self.width_px, self.channels


class DogCnnConfig(Settings):
    """The cut-down AlexNet for Stanford Dogs: 250 x 151 grey-scale, fixed by its source."""

    name: Literal["dog_cnn"] = "dog_cnn"
    """The network's name."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the 512 dense units dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=250, width_px=151, channels=1)


class ResidualConfig(Settings):
    """A compact pre-activation residual network: the default."""

    name: Literal["residual"] = "residual"
    """The network's name."""
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


def _name_alone(value: Any) -> Any:
    """Lets `network: dog_cnn` stand for `network: {name: dog_cnn}`."""
    return {"name": value} if isinstance(value, str) else value


NetworkConfig = Annotated[
    Annotated[DogCnnConfig | ResidualConfig, Field(discriminator="name")],
    BeforeValidator(_name_alone),
]


class TransformConfig(Settings):
    """How a picture becomes what the network takes."""

    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of another aspect ratio is made to fit: crop its centre, pad it with black,
    or stretch it."""
    jpeg_quality: int = Field(default=95, ge=50, le=100)
    """Quality at which the transformed picture is stored, 50 to 100. Training and serving both see
    the stored picture, so it is part of the definition of preprocessing."""


class AugmentConfig(Settings):
    """Random changes to training pictures, drawn anew in each epoch."""

    flip: bool = True
    """Mirror half of the pictures left to right."""
    shift_fraction: float = Field(default=0.1, ge=0, le=0.5)
    """Largest shift, up or down and left or right, as a share of height and width."""


class TrainerConfig(Settings):
    """How the network is trained."""

    network: NetworkConfig = ResidualConfig()
    """The network by name, with its options."""
    epochs: int = Field(default=16, ge=1)
    """Passes over the training split."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after this many steps even if the epochs are not over."""
    batch_size: int = Field(default=32, ge=1)
    """Examples in one step."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    """The optimizer's name; SGD has momentum 0.9."""
    learning_rate: float = Field(default=5e-3, gt=0, le=10)
    """The highest learning rate of the schedule."""
    schedule: Literal["constant", "cosine", "exponential"] = "cosine"
    """How the learning rate changes over the steps of the run."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps over which a cosine schedule rises from 0 to the highest rate."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled weight decay of adamw."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Probability mass spread evenly over all breeds."""
    augment: AugmentConfig = AugmentConfig()
    """Augmentation of the training pictures."""
    cache_mib: int = Field(default=2048, ge=0)
    """Decoded pictures are kept in memory when all of them need no more than this, in MiB."""
    top_k: int = Field(default=5, ge=1)
    """How many breeds `serving_default` answers with."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of weights, order, dropout and augmentation; the same seed repeats a run."""
