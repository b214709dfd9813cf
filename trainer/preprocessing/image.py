"""Settings of preprocessing, shared by Transform, the networks and serving.

Imports neither TensorFlow nor Keras, because the command line reads settings too.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foundation.settings import Settings


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


class TransformConfig(Settings):
    """How a picture becomes what the network takes."""

    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of another aspect ratio is made to fit: crop its centre, pad it with black,
    or stretch it."""
    jpeg_quality: int = Field(default=95, ge=50, le=100)
    """Quality at which the transformed picture is stored, 50 to 100. Training and serving both see
    the stored picture, so it is part of the definition of preprocessing."""
