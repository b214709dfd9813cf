"""Bytes that are no picture, or would cost too much to decode, are refused before that."""

from __future__ import annotations

import io
import re
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.pictures import encoded
from trainer.preprocessing.transform import decode_picture

_SIDE_PX = 30_000


@pytest.fixture(scope="module")
def decode() -> tf.types.experimental.GenericFunction:
    """Decodes a batch within a graph, as Transform and the exported model do; gives the sizes."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def shapes(pictures: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda each: tf.shape(decode_picture(each)), pictures, fn_output_signature=tf.int32
        )

    return shapes


def _jpeg_bomb(photograph: Image.Image) -> bytes:
    jpeg = encoded(photograph, "JPEG")
    size_at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:size_at] + struct.pack(">HH", _SIDE_PX, _SIDE_PX) + jpeg[size_at + 4 :]


def _png_bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", _SIDE_PX, _SIDE_PX, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def _bmp_bomb(photograph: Image.Image) -> bytes:
    bmp = encoded(photograph, "BMP")
    return bmp[:18] + struct.pack("<ii", _SIDE_PX, -_SIDE_PX) + bmp[26:]


def _gif_bomb(photograph: Image.Image) -> bytes:
    gif = encoded(photograph, "GIF")
    frame = gif.index(b"\x2c" + struct.pack("<HHHH", 0, 0, *photograph.size))
    return gif[: frame + 5] + struct.pack("<HH", _SIDE_PX, _SIDE_PX) + gif[frame + 9 :]


def test_declared_size_is_refused_in_words_before_anything_is_allocated(
    decode: tf.types.experimental.GenericFunction, photograph: Image.Image
) -> None:
    bombs = [
        _jpeg_bomb(photograph), _png_bomb(), _bmp_bomb(photograph), _gif_bomb(photograph)
    ]  # fmt: skip
    for bomb in bombs:
        with pytest.raises(tf.errors.InvalidArgumentError) as refused:
            decode([bomb])
        assert "declares 30000 x 30000 pixels; more than 25 megapixels" in str(refused.value)


def test_picture_of_25_megapixels_is_decoded(
    decode: tf.types.experimental.GenericFunction,
) -> None:
    largest = encoded(Image.new("RGB", (5000, 5000)), "JPEG")

    assert decode([largest]).numpy().tolist() == [[5000, 5000, 3]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="5001 x 5000"):
        decode([encoded(Image.new("RGB", (5001, 5000)), "JPEG")])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither a JPEG nor a PNG, GIF or BMP; it has 0 bytes"),
        (b"a dog, described in words", "neither a JPEG nor a PNG, GIF or BMP; it has 25 bytes"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a", "GIF has no frame"),
        (b"BM", "bmp"),
    ],
)
def test_bytes_that_are_no_picture_are_refused(
    decode: tf.types.experimental.GenericFunction, content: bytes, reason: str
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode([content])


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_picture_that_is_cut_short_is_refused(
    decode: tf.types.experimental.GenericFunction, photograph: Image.Image, picture_format: str
) -> None:
    content = encoded(photograph, picture_format)

    for share in (0.02, 0.3, 0.9):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode([content, content[: int(len(content) * share)]])


def test_mutated_pictures_are_decoded_or_refused_and_nothing_else_happens(
    decode: tf.types.experimental.GenericFunction, photograph: Image.Image
) -> None:
    rng = np.random.default_rng(4)
    outcomes = set()
    for picture_format in ("JPEG", "PNG", "GIF", "BMP"):
        content = np.frombuffer(encoded(photograph, picture_format), np.uint8)
        for _ in range(100):
            mutated = content.copy()
            mutated[rng.integers(0, min(len(content), 600), 3)] = rng.integers(0, 256, 3)
            try:
                decode([mutated.tobytes()])
                outcomes.add("decoded")
            except tf.errors.InvalidArgumentError:
                outcomes.add("refused")

    assert outcomes == {"decoded", "refused"}


@pytest.mark.slow
def test_only_the_first_frame_of_an_animation_is_decoded(
    decode: tf.types.experimental.GenericFunction,
) -> None:
    # Together the frames are 1.2 gigapixels, in 60 kilobytes.
    frames = [Image.new("P", (4000, 3000), colour) for colour in range(100)]
    animation = io.BytesIO()
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:], disposal=2)
    first = Image.open(animation).convert("RGB")
    before_kib = _peak_kib()

    picture = decode_picture(tf.constant(animation.getvalue())).numpy()

    np.testing.assert_array_equal(picture, first)
    assert _peak_kib() - before_kib < 300_000


def test_jpeg_that_is_passed_over_too_often_is_refused(
    decode: tf.types.experimental.GenericFunction, photograph: Image.Image
) -> None:
    progressive = io.BytesIO()
    photograph.save(progressive, "JPEG", progressive=True)
    jpeg = progressive.getvalue()
    scan = jpeg[jpeg.rindex(b"\xff\xda\x00") : -2]

    assert decode([jpeg]).shape == (1, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape("more than 100 are not")):
        decode([jpeg[:-2] + scan * 200 + jpeg[-2:]])


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
