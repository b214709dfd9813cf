"""Every kind of picture file becomes an upright JPEG of the right colours and size."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from ingestion.picture import UnusablePictureError, is_plain_jpeg, normalise

RED, BLUE, WHITE = (254, 0, 0), (0, 0, 254), (255, 255, 255)


def _encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def _halves(mode: str, left: Any, right: Any, size: tuple[int, int] = (32, 16)) -> Image.Image:
    picture = Image.new(mode, size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def _sixteen_bits() -> bytes:
    values = [0x4000] * 16 + [0xC000] * 16
    return _encoded(Image.frombytes("I;16", (32, 16), struct.pack("<32H", *values) * 16), "PNG")


def _pgm_sixteen_bits() -> bytes:
    return b"P5\n32 16\n65535\n" + struct.pack(">32H", *[0x4000] * 16 + [0xC000] * 16) * 16


def _palette_with_alpha() -> bytes:
    picture = _halves("P", 0, 1)
    picture.putpalette([*RED, *BLUE])
    return _encoded(picture, "PNG", transparency=1)


def _animation() -> bytes:
    frames = [_halves("RGB", RED, BLUE), _halves("RGB", WHITE, WHITE)]
    return _encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _float_tiff() -> bytes:
    return _encoded(_halves("F", 0.25, 0.75), "TIFF")


def _cmyk_jpeg() -> bytes:
    return _encoded(_halves("CMYK", (0, 255, 255, 0), (255, 255, 0, 0)), "JPEG", quality=95)


@pytest.mark.parametrize(
    ("make", "left", "right"),
    [
        pytest.param(lambda: _encoded(_halves("RGB", RED, BLUE), "BMP"), RED, BLUE, id="bmp"),
        pytest.param(lambda: _encoded(_halves("RGB", RED, BLUE), "WEBP", lossless=True),
                     RED, BLUE, id="webp"),
        pytest.param(lambda: _encoded(_halves("1", 0, 1), "PNG"), (0,) * 3, WHITE, id="bilevel"),
        pytest.param(lambda: _encoded(_halves("L", 64, 192), "PNG"), (64,) * 3, (192,) * 3,
                     id="grey"),
        pytest.param(_sixteen_bits, (64,) * 3, (191,) * 3, id="grey-16-png"),
        pytest.param(_pgm_sixteen_bits, (64,) * 3, (191,) * 3, id="grey-16-pgm"),
        pytest.param(_float_tiff, (64,) * 3, (191,) * 3, id="float"),
        pytest.param(lambda: _encoded(_halves("LA", (64, 255), (64, 0)), "PNG"), (64,) * 3, WHITE,
                     id="grey-alpha"),
        pytest.param(lambda: _encoded(_halves("RGBA", (*RED, 255), (*BLUE, 0)), "PNG"), RED, WHITE,
                     id="rgba"),
        pytest.param(_palette_with_alpha, RED, WHITE, id="palette-alpha"),
        pytest.param(_animation, RED, BLUE, id="animation"),
        pytest.param(_cmyk_jpeg, RED, BLUE, id="cmyk"),
    ],
)  # fmt: skip
def test_mode_becomes_rgb(
    make: Callable[[], bytes], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    jpeg = normalise(make(), 256, grayscale=False)

    picture = Image.open(io.BytesIO(jpeg.data))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 16))
    assert (jpeg.width_px, jpeg.height_px) == (32, 16)
    for place, expected in (((3, 8), left), ((28, 8), right)):
        difference = zip(picture.getpixel(place), expected, strict=True)  # type: ignore[arg-type]
        assert max(abs(a - b) for a, b in difference) <= 4


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "corner"), [
    (1, (2, 2)), (2, (29, 2)), (3, (29, 13)), (4, (2, 13)),
    (5, (2, 2)), (6, (13, 2)), (7, (13, 29)), (8, (2, 29)),
])  # fmt: skip
@pytest.mark.parametrize("shorter_side_px", [256, 8])
def test_exif_orientation_is_applied(
    orientation: int, corner: tuple[int, int], file_format: str, shorter_side_px: int
) -> None:
    picture = Image.new("RGB", (32, 16), WHITE)
    picture.paste(RED, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation

    jpeg = normalise(_encoded(picture, file_format, exif=exif), shorter_side_px, grayscale=False)

    upright = Image.open(io.BytesIO(jpeg.data)).convert("RGB")
    scale = 1 if shorter_side_px == 256 else 2
    size = (32, 16) if orientation < 5 else (16, 32)
    assert upright.size == (size[0] // scale, size[1] // scale)
    red, green, _ = upright.getpixel((corner[0] // scale, corner[1] // scale))  # type: ignore[misc]
    assert (red > 200, green < 60) == (True, True)  # the marked corner is where it belongs
    assert upright.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(("size", "expected"), [
    ((64, 48), (64, 48)), ((300, 200), (150, 100)), ((1000, 3000), (100, 300)),
    ((100, 640), (100, 640)), ((101, 1000), (100, 990)), ((1600, 1600), (100, 100)),
])  # fmt: skip
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_shorter_side_is_scaled_down_never_up(
    size: tuple[int, int], expected: tuple[int, int], file_format: str
) -> None:
    source = _encoded(Image.new("RGB", size, RED), file_format)
    jpeg = normalise(source, 100, grayscale=False)
    assert (jpeg.width_px, jpeg.height_px) == expected == Image.open(io.BytesIO(jpeg.data)).size


def test_grayscale_gives_one_channel() -> None:
    jpeg = normalise(_encoded(_halves("RGB", RED, BLUE), "JPEG"), 256, grayscale=True)
    picture = Image.open(io.BytesIO(jpeg.data))
    assert picture.mode == "L"
    assert abs(picture.getpixel((3, 8)) - 76) <= 3  # type: ignore[operator]  # ITU-R 601 luma
    assert normalise(jpeg.data, 256, grayscale=True).data == jpeg.data


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_fitting_jpeg_is_kept_and_a_doubtful_one_encoded_anew(options: dict[str, Any]) -> None:
    picture = Image.effect_noise((40, 24), 80).convert("RGB")
    source = _encoded(picture, "JPEG", **options)
    assert normalise(source, 24, grayscale=False).data == source
    assert is_plain_jpeg(source)

    for doubtful in (
        source + b"\0",  # something behind its end
        source + source,  # a second picture
        source[:2] + b"\xff" + source[2:],  # a fill byte
        source[:-40] + b"\xff\x01" + source[-40:],  # a stray mark among the pixels
    ):
        assert not is_plain_jpeg(doubtful)
        try:
            anew = normalise(doubtful, 24, grayscale=False)
        except UnusablePictureError:
            continue
        assert anew.data != doubtful
        assert is_plain_jpeg(anew.data)
