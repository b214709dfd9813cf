"""Makes thumbnails for the report, with or without a heat map."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 160
"""Longer side of a thumbnail."""

_QUALITY = 72  # of JPEG
_OPACITY = 0.45
_COLOURS = "inferno"  # its lightness rises with the value, so that it reads in grey as well


def thumbnail(encoded: bytes, side_px: int = SIDE_PX) -> bytes:
    """Scales a JPEG, PNG, BMP or GIF down to a JPEG of at most `side_px` along its longer side."""
    with Image.open(io.BytesIO(encoded)) as picture:
        picture.draft("RGB", (side_px, side_px))
        small = picture.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return _jpeg(small)


def overlay(small: bytes, looked: NDArray[np.float32], fit: str, aspect: float) -> bytes:
    """Lays a heat map over a thumbnail and returns a JPEG: dark for 0, bright for 1.

    Args:
        small: the thumbnail.
        looked: `(height, width)` in [0, 1] over the network's input.
        fit: as in `trainer.preprocessing.image.TransformConfig`.
        aspect: width over height of the network's input.
    """
    with Image.open(io.BytesIO(small)) as picture:
        below = picture.convert("RGB")
    left, top, right, bottom = _seen(below.size, fit, aspect)
    # Cropped parts stay dark; padding lies outside the thumbnail.
    seen = Image.fromarray(looked).resize(
        (max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC
    )
    values = Image.new("F", below.size)
    values.paste(seen, (left, top))
    colours = matplotlib.colormaps[_COLOURS](np.clip(np.asarray(values), 0, 1))[..., :3]
    above = Image.fromarray(np.round(255 * colours).astype(np.uint8))
    return _jpeg(Image.blend(below, above, _OPACITY))


def _seen(size: tuple[int, int], fit: str, aspect: float) -> tuple[int, int, int, int]:
    """Returns the network's input area in the thumbnail's pixels: left, top, right, bottom.

    Cropping makes it smaller than the image, padding larger.
    """
    width, height = size
    seen_width, seen_height = float(width), float(height)
    if fit != "stretch":
        is_wider = width > height * aspect
        if is_wider == (fit == "crop"):
            seen_width = height * aspect
        else:
            seen_height = width / aspect
    left, top = round((width - seen_width) / 2), round((height - seen_height) / 2)
    return left, top, left + round(seen_width), top + round(seen_height)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
