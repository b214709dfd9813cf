"""Converts images to a format, size and orientation that the model can decode."""

from __future__ import annotations

import contextlib
import io
import math
import sys

from PIL import ExifTags, Image

from ingestion.picture import MAX_MEGAPIXELS, normalise

MAX_PIXELS = MAX_MEGAPIXELS * 1_000_000
"""Size of the largest image that the model decodes."""
_DECODED_BY_MODEL = ("JPEG", "PNG", "GIF", "BMP")
_JPEG_MODES = ("L", "RGB")  # decoders disagree on how CMYK is marked
_UPRIGHT = 1  # value of EXIF's orientation tag


def encode_for_model(data: bytes, shrink_px: int | None = None) -> bytes:
    """Returns an image as JPEG, PNG, GIF or BMP of at most `MAX_PIXELS`; unchanged where possible.

    Images that are rotated by EXIF, transparent, too large or of another format are re-encoded as
    the training set was. `shrink_px` scales them down until the shorter side has that many pixels.

    Raises:
        UnusablePictureError: the bytes are no image; the message says what they are.
    """
    shorter_side_px = shrink_px or sys.maxsize
    # Pillow may raise anything on damaged bytes; `normalise` then says what is wrong.
    with (
        contextlib.suppress(Exception),
        Image.open(io.BytesIO(data), formats=_DECODED_BY_MODEL) as picture,
    ):
        shorter_side_px = min(shorter_side_px, _largest_side(picture.size))
        if min(picture.size) <= shorter_side_px and _is_seen_as_it_is(picture):
            return data
    jpeg = normalise(data, shorter_side_px, grayscale=False)
    if jpeg.width_px * jpeg.height_px > MAX_PIXELS:
        jpeg = normalise(jpeg.data, _largest_side(jpeg.decoded.size), grayscale=False)
    return jpeg.data


def _largest_side(size: tuple[int, int]) -> int:
    """Returns the longest shorter side, in pixels, that keeps an image within `MAX_PIXELS`."""
    num_pixels = size[0] * size[1]
    if num_pixels <= MAX_PIXELS:
        return sys.maxsize
    # 1 % less, because sides are rounded to whole pixels.
    return max(1, math.floor(min(size) * math.sqrt(0.99 * MAX_PIXELS / num_pixels)))


def _is_seen_as_it_is(picture: Image.Image) -> bool:
    if picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) != _UPRIGHT:
        return False
    if picture.format in ("JPEG", "MPO"):
        return picture.mode in _JPEG_MODES
    if picture.has_transparency_data:
        opaque = (255, 255)
        return picture.convert("RGBA").getchannel("A").getextrema() == opaque
    return True
