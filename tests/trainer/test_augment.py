from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from trainer.preprocessing.image import ImageSpec
from trainer.training.augment import Augmentation
from trainer.training.config import AugmentConfig, TrainerConfig

_IMAGE = ImageSpec(height_px=12, width_px=20)
_BATCH = 40
_STILL = AugmentConfig(flip=False, shift_fraction=0)


def _ramp() -> np.ndarray:
    """Pictures whose red grows to the right and whose green grows downwards, by 10 a pixel."""
    picture = np.zeros(_IMAGE.shape, np.uint8)
    picture[..., 0] = np.arange(_IMAGE.width_px) * 10
    picture[..., 1] = np.arange(_IMAGE.height_px)[:, None] * 10
    return np.stack([picture] * _BATCH)


def _augmented(
    config: AugmentConfig, pictures: np.ndarray | None = None, step: int = 5, seed: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    augmentation = Augmentation(config, _IMAGE, num_steps=10, seed=seed)
    labels = np.eye(_BATCH, dtype=np.float32)
    changed = tf.function(augmentation, autograph=False)(
        tf.constant(_ramp() if pictures is None else pictures),
        tf.constant(labels),
        tf.constant(step, tf.int64),
    )
    return changed[0].numpy(), changed[1].numpy()


def test_nothing_configured_changes_nothing() -> None:
    pictures, labels = _augmented(_STILL)

    np.testing.assert_array_equal(pictures, _ramp())
    np.testing.assert_array_equal(labels, np.eye(_BATCH))


def test_flip_mirrors_about_half_of_the_pictures_left_to_right() -> None:
    pictures, _ = _augmented(_STILL.model_copy(update={"flip": True}))

    mirrored = [np.array_equal(picture, _ramp()[0][:, ::-1]) for picture in pictures]
    kept = [np.array_equal(picture, _ramp()[0]) for picture in pictures]
    assert sum(mirrored) + sum(kept) == _BATCH
    assert _BATCH / 4 < sum(mirrored) < _BATCH * 3 / 4


def test_shift_moves_each_picture_by_whole_pixels_within_its_bound() -> None:
    pictures, _ = _augmented(_STILL.model_copy(update={"shift_fraction": 0.25}))

    # Away from the mirrored borders the ramps say where every pixel came from.
    across = pictures[:, 6, 10, 0].astype(int) // 10 - 10
    down = pictures[:, 6, 10, 1].astype(int) // 10 - 6
    assert set(across) == set(range(-5, 6))
    assert set(down) == set(range(-3, 4))


def test_crop_shows_a_part_of_at_least_the_configured_area_enlarged() -> None:
    pictures, _ = _augmented(_STILL.model_copy(update={"crop_min_area": 0.5}))

    assert pictures.shape == (_BATCH, *_IMAGE.shape)
    red, green = pictures[..., 0].astype(float), pictures[..., 1].astype(float)
    widths = (red[:, 0, -1] - red[:, 0, 0]) / 190
    heights = (green[:, -1, 0] - green[:, 0, 0]) / 110
    areas = widths * heights
    assert areas.min() > 0.45
    assert areas.max() <= 1.01
    assert areas.std() > 0.05
    aspects = widths / heights
    assert aspects.min() > 0.7
    assert aspects.max() < 1.4


@pytest.mark.parametrize(("step", "side"), [(0, 16), (4, 16), (5, 24), (9, 24), (12, 24)])
def test_train_px_spreads_its_sizes_over_the_run(step: int, side: int) -> None:
    pictures, _ = _augmented(_STILL.model_copy(update={"train_px": (16, 24)}), step=step)

    assert pictures.shape == (_BATCH, side, side, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"brightness": 0.3},
        {"contrast": 0.3},
        {"saturation": 0.5},
        {"hue": 0.3},
        pytest.param({"rand_augment_ops": 2, "rand_augment_factor": 0.6}, marks=pytest.mark.slow),
    ],
    ids=lambda options: next(iter(options)),
)
def test_colour_changes_differ_from_picture_to_picture(options: dict[str, float]) -> None:
    pictures, labels = _augmented(AugmentConfig(flip=False, shift_fraction=0, **options))

    assert pictures.dtype == np.uint8
    assert len({picture.tobytes() for picture in pictures}) > _BATCH / 4
    np.testing.assert_array_equal(labels, np.eye(_BATCH))


@pytest.mark.parametrize(
    ("options", "tolerance"),
    # keras.layers.CutMix rounds its rectangles to pixels, but not the labels' shares.
    [({"mixup_alpha": 1.0}, 1), ({"cutmix_factor": 1.0}, 14)],
)
def test_mixing_gives_labels_the_shares_that_the_pictures_have(
    options: dict[str, float], tolerance: float
) -> None:
    # Picture i is all of level i * 6, so that a mixture's mean is that of its labels.
    levels = np.arange(_BATCH) * 6
    plain = np.broadcast_to(levels[:, None, None, None], (_BATCH, *_IMAGE.shape)).astype(np.uint8)

    pictures, labels = _augmented(AugmentConfig(flip=False, shift_fraction=0, **options), plain)

    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    assert ((labels > 0.01).sum(axis=1) == 2).sum() > _BATCH / 4
    np.testing.assert_allclose(pictures.mean(axis=(1, 2, 3)), labels @ levels, atol=tolerance)


def test_draws_depend_on_seed_and_step() -> None:
    config = AugmentConfig(flip=True, shift_fraction=0.2)
    first, again = _augmented(config)[0], _augmented(config)[0]

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, _augmented(config, step=6)[0])
    assert not np.array_equal(first, _augmented(config, seed=3)[0])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"augment": {"crop_min_area": 0.5}}, "shift_fraction and crop_min_area exclude"),
        ({"network": "dog_cnn", "augment": {"hue": 0.1}}, "augment.hue needs colours; dog_cnn"),
        ({"network": "dog_cnn", "augment": {"train_px": [64]}}, "pictures of any size; dog_cnn"),
    ],
)
def test_changes_that_do_not_suit_the_network_are_refused(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainerConfig.model_validate(settings)
