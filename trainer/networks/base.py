"""Base classes of the networks: their settings, and how to build their layers.

The command line reads these settings without Keras; so this module and those of the networks import
Keras within functions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from foundation.settings import Settings
from trainer.networks.normalise import Normalisation, normalise_layer
from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    import keras

    from trainer.networks.statistics import PictureStatistics


def both_ways(value: Any) -> Any:
    """Returns `(n, n)` for an int n, as height and width."""
    return (value, value) if isinstance(value, int) else value


Pixels = Annotated[int, Field(ge=8, le=1024)]
InputSize = Annotated[tuple[Pixels, Pixels], BeforeValidator(both_ways)]
"""Height and width of an image in pixels; one number stands for both."""


class NetworkSettings(Settings):
    """What every network declares. A subclass's first line describes it to users."""

    source: ClassVar[str] = ""
    """Where the network was described."""
    source_classes: ClassVar[int] = 120
    """Number of classes that the network's source tells apart."""
    takes_any_size: ClassVar[bool] = False
    """Whether training may show it pictures of other sizes than its own."""

    name: str
    """The network's name."""
    normalise: Normalisation
    """What the network does to the pixels first."""

    @property
    @abstractmethod
    def image(self) -> ImageSpec:
        """The image that the network takes."""

    def normalised(
        self, pictures: keras.KerasTensor, statistics: PictureStatistics | None
    ) -> keras.KerasTensor:
        """Normalises images with a layer named `normalise`.

        Args:
            pictures: `(batch, *image.shape)` uint8 in [0, 255].
            statistics: of the train split, where `normalise` needs them.

        Returns:
            Pixels of the same shape, float32.

        Raises:
            ValueError: the statistics are missing, or are of images of another size.
        """
        return normalise_layer(self.normalise, self.image, statistics)(pictures)

    @abstractmethod
    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """Builds the network's layers.

        Args:
            pixels: `(batch, *image.shape)` float32, normalised.
            num_classes: number of classes.

        Returns:
            Logits `(batch, num_classes)` float32, the output of the last layer.

        Raises:
            ValueError: the network cannot be built for that many classes.
        """


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
        """The image that the network takes."""
        height_px, width_px = self.input_px
        return ImageSpec(height_px=height_px, width_px=width_px, channels=self.channels)
