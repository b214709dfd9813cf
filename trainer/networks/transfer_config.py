"""Settings of transfer learning: a backbone of keras.applications, its weights, its two phases.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

import difflib
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from trainer.networks.backbones import BACKBONES
from trainer.networks.base import NetworkSettings
from trainer.preprocessing.image import ImageSpec


class TransferConfig(NetworkSettings):
    """A backbone of keras.applications with a new last layer: first frozen, then fine-tuned."""

    source: ClassVar[str] = "keras.io/api/applications"

    name: Literal["transfer"] = "transfer"
    """The network's name."""
    normalise: Literal["backbone"] = "backbone"  # type: ignore[assignment]
    """The backbone's own preprocessing."""
    backbone: str = "EfficientNetV2B0"
    """A model of keras.applications by its name there."""
    weights: str = Field(default="imagenet", min_length=1)
    """Where the backbone's weights come from: `imagenet`, which Keras downloads, `none` for random
    ones, or a file for machines with no internet: `.weights.h5`, `.h5` or `.keras` of the backbone
    without its top, such as the `..._notop.h5` that Keras publishes."""
    input_px: int = Field(default=224, ge=32, le=1024)
    """Height and width of the picture in pixels."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the pooled features dropped while training."""
    frozen_fraction: float | None = Field(default=None, ge=0, le=1)
    """Share of the epochs in which only the last layer learns; the rest fine-tunes the backbone as
    well. Nothing means half, or 0 with weights `none`."""
    fine_tune_learning_rate_fraction: float = Field(default=0.1, gt=0, le=1)
    """Share of the learning rate that is left for fine-tuning."""
    fine_tune_from_layer: str | None = None
    """First layer of the backbone that fine-tuning changes, by its name in Keras; those before it
    stay frozen. Nothing means all of them."""

    @field_validator("backbone")
    @classmethod
    def _known(cls, backbone: str) -> str:
        if backbone not in BACKBONES:
            lower = {name.lower(): name for name in BACKBONES}
            close = difflib.get_close_matches(backbone.lower(), lower, n=3)
            hint = " or ".join(lower[name] for name in close) or ", ".join(BACKBONES)
            raise ValueError(f"keras.applications has no such backbone. Did you mean {hint}?")
        return backbone

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        min_px = BACKBONES[self.backbone].min_px
        if self.input_px < min_px:
            raise ValueError(f"{self.backbone} needs input_px of at least {min_px}")
        return self

    @model_validator(mode="after")
    def _nothing_random_is_frozen(self) -> Self:
        if self.weights == "none" and self.frozen_fraction:
            raise ValueError(
                "weights none and frozen_fraction exclude each other: a frozen backbone would stay "
                "random"
            )
        return self

    @property
    def image(self) -> ImageSpec:
        """The picture this network takes."""
        return ImageSpec(height_px=self.input_px, width_px=self.input_px)

    def num_frozen_epochs(self, epochs: int) -> int:
        """Epochs with a frozen backbone, the first ones, of `epochs` in all."""
        if self.weights == "none":
            return 0
        share = 0.5 if self.frozen_fraction is None else self.frozen_fraction
        return round(share * epochs)
