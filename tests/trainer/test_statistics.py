from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.normalise import Normalisation, normalise_layer
from trainer.networks.statistics import PictureStatistics, picture_statistics
from trainer.preprocessing.image import ImageSpec

_IMAGE = ImageSpec(height_px=9, width_px=11)
_RNG = np.random.default_rng(11)
_PICTURES = _RNG.integers(0, 256, (7, 9, 11, 3), dtype=np.uint8) // np.array(
    [1, 2, 5], dtype=np.uint8
)


def test_statistics_over_uneven_batches_are_those_of_numpy() -> None:
    data = tf.data.Dataset.from_tensor_slices((_PICTURES, np.arange(7))).batch(3)

    found = picture_statistics(data)

    np.testing.assert_allclose(found.mean_image, _PICTURES.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.channel_mean, _PICTURES.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.channel_sd, _PICTURES.std(axis=(0, 1, 2)), rtol=1e-6)
    assert found.mean_image.dtype == found.channel_sd.dtype == np.float32


def test_statistics_do_not_depend_on_order_or_batches() -> None:
    one = picture_statistics([_PICTURES])
    other = picture_statistics([_PICTURES[:0:-1], _PICTURES[:1]])

    assert np.array_equal(one.mean_image, other.mean_image)
    assert np.array_equal(one.channel_sd, other.channel_sd)


def test_spread_of_pictures_of_one_grey_is_0() -> None:
    found = picture_statistics([np.full((2, 8, 8, 1), 255, np.uint8)] * 3)

    assert found.channel_mean == 255
    assert found.channel_sd == 0


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "at least one picture"),
        ([_PICTURES[:0]], "at least one picture"),
        ([_PICTURES.astype(np.float32)], r"uint8, got \(7, 9, 11, 3\) of float32"),
        ([_PICTURES[0]], r"got \(9, 11, 3\)"),
        ([_PICTURES, _PICTURES[:, 1:]], r"of one size, got \(8, 11, 3\) after \(9, 11, 3\)"),
    ],
)
def test_statistics_of_nothing_or_of_odd_pictures_are_refused(
    batches: list[np.ndarray], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        picture_statistics(batches)


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("none", _PICTURES),
        ("zero_to_one", _PICTURES / 256),
        ("minus_one_to_one", _PICTURES / 127.5 - 1),
        ("mean_image", (_PICTURES - _PICTURES.mean(axis=0)) / 255),
        (
            "per_channel",
            (_PICTURES - _PICTURES.mean(axis=(0, 1, 2))) / _PICTURES.std(axis=(0, 1, 2)),
        ),
    ],
)
def test_each_normalisation_does_what_its_name_says(
    normalise: Normalisation, expected: np.ndarray
) -> None:
    seen = normalise_layer(normalise, _IMAGE, picture_statistics([_PICTURES]))(_PICTURES)

    assert seen.dtype == tf.float32
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("normalise", "divisor"), [("mean_image", 255), ("per_channel", 1)])
def test_neutral_statistics_leave_the_pictures_as_they_are(
    normalise: Normalisation, divisor: int
) -> None:
    seen = normalise_layer(normalise, _IMAGE, PictureStatistics.neutral(_IMAGE))(_PICTURES)

    np.testing.assert_allclose(seen, _PICTURES / divisor, rtol=1e-6)
