"""Normalises an image file of any format to a JPEG that every later step can decode."""

from __future__ import annotations

import io
import math
import re
from functools import cache
from typing import NamedTuple, cast

from PIL import ExifTags, Image, UnidentifiedImageError

MAX_MEGAPIXELS = 25
"""Larger images are refused before decoding, which would take more than 75 MB each."""


_SOI = b"\xff\xd8"
_EOI = 0xD9
_SOS = 0xDA
_KEPT_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended and progressive, Huffman-coded
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8}  # 0xC4: Huffman tables
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
# In a scan, 0xFF is followed by a stuffed zero or by a restart mark; anything else ends it.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def is_plain_jpeg(data: bytes) -> bool:
    """Checks that a file is one baseline or progressive JPEG of 8 bits.

    Nothing but well-formed segments may lie between its start and its end-of-image marker, and
    nothing after that.
    """
    if not data.startswith(_SOI):
        return False
    position = 2
    num_frames = num_scans = 0
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        position += 2
        if marker == _EOI:
            return position == len(data) and num_frames == 1 and num_scans > 0
        if marker in _NO_LENGTH or marker in _OTHER_FRAMES or marker in (0x00, 0xFF):
            return False
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            return False
        if marker in _KEPT_FRAMES:
            num_frames += 1
            if length < 8 or data[position + 2] != 8:  # bits per sample
                return False
        position += length
        if marker == _SOS:
            num_scans += 1
            end = _END_OF_SCAN.search(data, position)
            if end is None:
                return False
            position = end.start()
    return False


MAX_PIXELS = 178_956_970
"""Pillow's own limit against decompression bombs: half a gigabyte decoded to RGB."""
MAX_SIDE_PX = 65_500
"""The longest side that libjpeg encodes (JPEG_MAX_DIMENSION)."""
_JPEG_QUALITY = 95
_JPEG_START = b"\xff\xd8\xff"
# Listed, because Pillow also opens formats that start a program (EPS) or match any bytes (TGA).
_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM"),
    *("AVIF", "JPEG2000", "MPO", "ICO"),
)
# As in Pillow's ImageOps.exif_transpose; the values are those of EXIF's orientation tag.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# As sharp as bicubic when scaling down and a third faster; Pillow's manual compares the filters:
# https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters-comparison-table
_FILTER = Image.Resampling.HAMMING
_REDUCING_GAP = 2  # decode to at least twice the size: no visible difference to a full decode


class UnusablePictureError(Exception):
    """A file that cannot be used as an image; the message says why."""


class Jpeg(NamedTuple):
    """A normalised image."""

    data: bytes
    width_px: int
    height_px: int
    decoded: Image.Image
    """The same image, decoded."""
    original_size: tuple[int, int]
    """Width and height in the source file, in pixels."""


def normalise(data: bytes, shorter_side_px: int, grayscale: bool) -> Jpeg:
    """Rotates an image file upright, converts it to RGB or grey, and scales it down.

    A JPEG that needs none of this is kept byte for byte. Images are scaled down to
    `shorter_side_px`, never up, and keep their aspect ratio. Transparent parts become white; of an
    animation the first frame is taken. Re-encoded images have quality 95 and full colour
    resolution.

    Raises:
        UnusablePictureError: the bytes cannot be decoded.
        MemoryError: the image does not fit into memory.
    """
    if not data:
        raise UnusablePictureError("the file is empty")
    try:
        return _normalise(data, shorter_side_px, "L" if grayscale else "RGB")
    except (UnusablePictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnusablePictureError(_what_it_is(data)) from error
    except Image.DecompressionBombError as error:
        raise UnusablePictureError(
            f"more than {MAX_PIXELS / 1e6:.0f} megapixels, too large to decode safely"
        ) from error
    # Pillow's parsers raise almost anything on damaged bytes: OSError,
    # SyntaxError, ValueError, struct.error, zlib.error, IndexError, KeyError and more.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusablePictureError(f"damaged or cut short ({reason})") from error


def _normalise(data: bytes, shorter_side_px: int, mode: str) -> Jpeg:
    picture: Image.Image = Image.open(io.BytesIO(data), formats=_formats(data))
    if picture.width * picture.height > MAX_PIXELS:
        raise UnusablePictureError(
            f"{picture.width} x {picture.height} pixels, too large to decode safely"
        )
    original_size = picture.size
    target = _scaled_size(original_size, shorter_side_px)
    if (
        picture.format == "JPEG"
        and picture.mode == mode
        and picture.size == target
        and _turn(picture) is None
        and is_plain_jpeg(data)
    ):
        picture.load()  # decodes every pixel: a damaged file fails here and not in training
        return Jpeg(data, *picture.size, picture, picture.size)
    # A JPEG can be decoded at a half, quarter or eighth, and without its colours, in less time.
    # Other formats ignore this.
    picture.draft(mode, (target[0] * _REDUCING_GAP, target[1] * _REDUCING_GAP))
    picture.load()
    if picture.format not in ("JPEG", "MPO"):
        target = _scaled_size(picture.size, shorter_side_px)  # a TIFF turns itself when loaded
    if max(target) > MAX_SIDE_PX:
        raise UnusablePictureError(f"{target[0]} x {target[1]} pixels: too long for a JPEG")
    turn = _turn(picture)
    picture = _to_mode(picture, mode)
    if picture.size != target:
        picture = picture.resize(target, _FILTER, reducing_gap=_REDUCING_GAP)
    if turn is not None:
        picture = picture.transpose(turn)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return Jpeg(encoded.getvalue(), *picture.size, picture, original_size)


def _formats(data: bytes) -> tuple[str, ...]:
    """Returns the formats to try; loads Pillow's other plugins only when needed."""
    return ("JPEG",) if data.startswith(_JPEG_START) else _loaded_formats()


@cache
def _loaded_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # not every build has all


def _scaled_size(size: tuple[int, int], shorter_side_px: int) -> tuple[int, int]:
    """Returns (width, height) in proportion, the shorter side at most `shorter_side_px`."""
    scale = shorter_side_px / min(size)
    if scale >= 1:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """Returns the transposition that undoes the orientation in the EXIF metadata."""
    if picture.format == "JPEG" and not {"exif", "xmp"} & picture.info.keys():
        return None  # the usual case, without the cost of parsing
    try:
        return _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    # As in `normalise`: broken metadata raises anything, and must not reject the image.
    except Exception:
        return None


def _to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Converts to "RGB" or "L", with transparent parts on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _to_8_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == mode else picture.convert("RGB").convert(mode)


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """Scales 16- or 32-bit grey to 8 bits; Pillow's conversion would clip above 255."""
    grey = picture.convert("F")
    low, high = cast(tuple[float, float], grey.getextrema())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UnusablePictureError("holds values that are no numbers")
    if picture.mode == "F" and high <= 1:
        scale = 255.0
    elif high <= 0xFFFF:
        scale = 255 / 0xFFFF
    else:
        scale = 255 / high
    return grey.point(lambda value: value * scale + 0.5).convert("L")


def _what_it_is(data: bytes) -> str:
    """Describes bytes that are no image, for the reason of a rejection."""
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page, not a picture"
    if head.startswith((b"<?xml", b"<svg")):
        return "an XML or SVG file, not a picture of pixels"
    if head.startswith(b"%pdf"):
        return "a PDF file, not a picture"
    if not any(byte < 9 for byte in data[:512]):
        return "text, not a picture"
    return "not a picture in a format that can be read"
