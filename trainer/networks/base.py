"""What the settings of every network have in common: input, colours and normalisation.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from foundation.settings import Settings
from trainer.preprocessing.image import ImageSpec

Normalisation = Literal["zero_to_one", "minus_one_to_one", "mean_image", "per_channel"]
"""What a network does to the pixels first. `zero_to_one` divides by 256, `minus_one_to_one` maps
[0, 255] to [-1, 1]; `mean_image` subtracts the mean picture of the train split and divides by 255;
`per_channel` subtracts the mean and divides by the standard deviation of each colour over the train
split."""


def both_ways(value: Any) -> Any:
    """Lets one number stand for height and width."""
    return (value, value) if isinstance(value, int) else value


Pixels = Annotated[int, Field(ge=8, le=1024)]
InputSize = Annotated[tuple[Pixels, Pixels], BeforeValidator(both_ways)]
"""Height and width of a picture in pixels; one number stands for both."""


class NetworkSettings(Settings):
    """What every network declares."""

    source: ClassVar[str] = ""
    """Where the network was described."""
    takes_any_size: ClassVar[bool] = False
    """Whether training may show it pictures of other sizes than its own."""

    normalise: Normalisation
    """What the network does to the pixels first."""

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        raise NotImplementedError

    @property
    def source_classes(self) -> int:
        """Number of classes that the network's source tells apart."""
        return 120


class SizedNetworkSettings(NetworkSettings):
    """A network whose input has a size and colours of the user's choice."""

    min_px: ClassVar[int] = 8
    """Least height and width of which the last pool leaves something."""

    input_px: InputSize
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 3
    """3 for RGB, 1 for grey-scale."""

    @field_validator("input_px")
    @classmethod
    def _large_enough(cls, input_px: tuple[int, int]) -> tuple[int, int]:
        if min(input_px) < cls.min_px:
            raise ValueError(
                f"the picture must have at least {cls.min_px} x {cls.min_px} pixels, or the pools "
                "leave nothing of it"
            )
        return input_px

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        height_px, width_px = self.input_px
        return ImageSpec(height_px=height_px, width_px=width_px, channels=self.channels)
