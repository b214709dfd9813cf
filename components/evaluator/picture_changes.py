"""The table of what is done to eval images to measure how robust a model is. Needs no TensorFlow.

A new kind is a row here, and its bound in `components.evaluator.settings.MaxDrop`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

_DEGREES = 15
_BLUR = 0.01  # of the shorter side: whatever the size, it is as visible
_JPEG_QUALITY = 10
_BRIGHTNESS = 0.3
_SMALLER = 4  # times, in width and in height
_CORNERS = (128, 128, 128)
_KEPT_QUALITY = 95  # of what is changed in another way, with full colour resolution


@dataclass(frozen=True)
class Change:
    """One way in which a client's images may be worse; deterministic."""

    title: str
    """In words, with its strength."""
    change: Callable[[Image.Image], Image.Image]
    """From an RGB image to another."""
    jpeg_quality: int = _KEPT_QUALITY

    def encoded(self, picture: Image.Image) -> bytes:
        """Changes an RGB image; returns a JPEG."""
        file = io.BytesIO()
        subsampling = 0 if self.jpeg_quality == _KEPT_QUALITY else -1
        self.change(picture).save(file, "JPEG", quality=self.jpeg_quality, subsampling=subsampling)
        return file.getvalue()


def _rotate(picture: Image.Image) -> Image.Image:
    return picture.rotate(_DEGREES, Image.Resampling.BILINEAR, fillcolor=_CORNERS)


def _blur(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(_BLUR * min(picture.size)))


def _shrink(picture: Image.Image) -> Image.Image:
    size = [max(1, side_px // _SMALLER) for side_px in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.BOX)


CHANGES: Mapping[str, Change] = {
    "rotation": Change(f"Rotated by {_DEGREES}°", _rotate),
    "blur": Change(f"Blurred by {_BLUR:.0%} of the shorter side", _blur),
    "jpeg": Change(f"JPEG of quality {_JPEG_QUALITY}", lambda picture: picture, _JPEG_QUALITY),
    "darkness": Change(
        f"Darkened to {_BRIGHTNESS:.0%}",
        lambda picture: ImageEnhance.Brightness(picture).enhance(_BRIGHTNESS),
    ),
    "grey": Change("Without colours", lambda picture: ImageOps.grayscale(picture).convert("RGB")),
    "size": Change(f"Width and height divided by {_SMALLER}", _shrink),
}
"""By kind."""
