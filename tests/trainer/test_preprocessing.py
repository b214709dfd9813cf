from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.pictures import encoded
from trainer.preprocessing.image import ImageSpec, TransformConfig
from trainer.preprocessing.transform import decode_picture, fit_picture, load_stored, store

SPEC = ImageSpec(height_px=24, width_px=40)


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_decode_picture_agrees_with_pillow(photograph: Image.Image, picture_format: str) -> None:
    content = encoded(photograph, picture_format)
    by_pillow = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16)

    decoded = decode_picture(tf.constant(content)).numpy().astype(np.int16)

    assert decoded.shape == (61, 90, 3)
    # Two builds of libjpeg may round differently; the lossless formats may not.
    assert np.abs(decoded - by_pillow).max() <= (4 if picture_format == "JPEG" else 0)


def test_fit_crop_keeps_the_centre_and_its_proportions() -> None:
    # A white square in the middle of a wide picture stays a square.
    wide = np.zeros((40, 160, 3), np.uint8)
    wide[10:30, 70:90] = 255

    fitted = fit_picture(wide, ImageSpec(height_px=20, width_px=20), TransformConfig()).numpy()

    rows, columns = (np.flatnonzero((fitted[..., 0] > 127).any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (5, 14)
    assert (columns[0], columns[-1]) == (5, 14)


def test_fit_pad_keeps_everything_within_black_bars() -> None:
    white = np.full((30, 60, 3), 255, np.uint8)

    fitted = fit_picture(
        white, ImageSpec(height_px=20, width_px=20), TransformConfig(fit="pad")
    ).numpy()

    assert (fitted[5:15] == 255).all()
    assert (fitted[:5] == 0).all()
    assert (fitted[15:] == 0).all()


def test_fit_stretch_fills_the_frame_whatever_the_proportions() -> None:
    white = np.full((30, 90, 3), 255, np.uint8)

    fitted = fit_picture(white, SPEC, TransformConfig(fit="stretch")).numpy()

    assert fitted.shape == (24, 40, 3)
    assert (fitted == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 7)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_fit_takes_pictures_of_any_size(size: tuple[int, int], fit: Any) -> None:
    picture = np.full((*size, 3), 90, np.uint8)
    assert fit_picture(picture, SPEC, TransformConfig(fit=fit)).shape == SPEC.shape


@pytest.mark.parametrize("channels", [1, 3])
def test_stored_picture_is_small_and_nearly_what_it_was(
    photograph: Image.Image, channels: Any
) -> None:
    spec = ImageSpec(height_px=24, width_px=40, channels=channels)
    fitted = fit_picture(np.asarray(photograph), spec, TransformConfig())

    stored = store(fitted, TransformConfig())
    loaded = load_stored(stored, spec)

    assert loaded.shape == spec.shape
    assert np.abs(loaded.numpy().astype(int) - fitted.numpy().astype(int)).mean() < 3
    assert len(stored.numpy()) < 4 * fitted.numpy().size / 2


def test_preprocessing_gives_the_same_in_a_dataset_as_eagerly(photograph: Image.Image) -> None:
    content = encoded(photograph, "PNG")

    def prepare(picture: tf.Tensor) -> tf.Tensor:
        fitted = fit_picture(decode_picture(picture), SPEC, TransformConfig())
        return load_stored(store(fitted, TransformConfig()), SPEC)

    [in_dataset] = tf.data.Dataset.from_tensors(content).map(prepare)

    np.testing.assert_array_equal(in_dataset, prepare(tf.constant(content)))
