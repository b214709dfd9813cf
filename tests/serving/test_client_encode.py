from __future__ import annotations

import io

import pytest
from PIL import Image

from ingestion.picture import UnusablePictureError
from serving.client.encode import MAX_PIXELS, encode_for_model
from tests.pictures import encoded


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_what_the_model_decodes_is_sent_byte_for_byte(
    photograph: Image.Image, picture_format: str
) -> None:
    data = encoded(photograph, picture_format)

    assert encode_for_model(data) is data


def test_opaque_alpha_is_sent_byte_for_byte(photograph: Image.Image) -> None:
    data = encoded(photograph.convert("RGBA"), "PNG")

    assert encode_for_model(data) is data


@pytest.mark.parametrize(
    ("picture_format", "size"),
    [("PNG", (6000, 5000)), ("PNG", (30_000, 1000)), ("TIFF", (6000, 5000))],
)
def test_too_large_pictures_are_scaled_to_what_the_model_decodes(
    picture_format: str, size: tuple[int, int]
) -> None:
    sent = Image.open(io.BytesIO(encode_for_model(encoded(Image.new("L", size), picture_format))))

    assert 0.9 * MAX_PIXELS < sent.width * sent.height <= MAX_PIXELS
    assert sent.width / sent.height == pytest.approx(size[0] / size[1], rel=0.01)


def test_shrinking_takes_the_shorter_side_down_and_never_up(photograph: Image.Image) -> None:
    data = encoded(photograph, "PNG")

    assert Image.open(io.BytesIO(encode_for_model(data, shrink_px=30))).size == (44, 30)
    assert encode_for_model(data, shrink_px=61) is data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><p>404", "a web page, not a picture"),
        (b"\xff\xd8\xff\xe0 broken", "damaged or cut short|not a picture"),
    ],
)
def test_what_is_no_picture_is_described(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePictureError, match=reason):
        encode_for_model(data)
