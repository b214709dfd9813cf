from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.examples import write_examples
from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import ImageSpec, TransformConfig
from trainer.preprocessing.transform import store
from trainer.training.augment import Augmentation
from trainer.training.config import AugmentConfig, TrainerConfig
from trainer.training.input import Split, eval_batches, pictures_in_order, training_batches

_IMAGE = ImageSpec(height_px=12, width_px=20, channels=1)
_NUM_EXAMPLES = 11
_NUM_CLASSES = 13


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Eleven pictures in two files; the label of each is its grey level divided by 20."""
    folder = tmp_path_factory.mktemp("examples")
    for name, labels in (("a.gz", range(6)), ("b.gz", range(6, _NUM_EXAMPLES))):
        with tf.io.TFRecordWriter(str(folder / name), "GZIP") as writer:
            for label in labels:
                picture = np.full(_IMAGE.shape, label * 20, np.uint8)
                picture[:, :3] = 255  # a white edge at the left, to see flips and shifts by
                feature = {
                    transformed_name(IMAGE_KEY): tf.train.Feature(
                        bytes_list=tf.train.BytesList(
                            value=[store(tf.constant(picture), TransformConfig()).numpy()]
                        )
                    ),
                    transformed_name(LABEL_KEY): tf.train.Feature(
                        int64_list=tf.train.Int64List(value=[label])
                    ),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    return Split.find([str(folder / "*.gz")])


def _steps(
    split: Split,
    augment: AugmentConfig | None,
    *,
    seed: int,
    num_steps: int,
    first_step: int = 0,
    cache_mib: int = 1,
) -> list[tuple[np.ndarray, int]]:
    """Picture and label of each step from `first_step` on, one example a step."""
    config = TrainerConfig(batch_size=1, cache_mib=cache_mib, seed=seed)
    augmentation = augment and Augmentation(augment, _IMAGE, num_steps=100, seed=seed)
    batches = training_batches(
        split,
        _IMAGE,
        config,
        num_classes=_NUM_CLASSES,
        first_step=first_step,
        augmentation=augmentation,
    )
    return [
        (pictures.numpy()[0], int(np.argmax(labels[0])))
        for pictures, labels in batches.take(num_steps)
    ]


def test_split_counts_examples_and_steps(split: Split) -> None:
    assert split.num_examples == _NUM_EXAMPLES
    assert split.num_steps(batch_size=4) == 3


def test_split_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There are no transformed examples in"):
        Split.find([str(tmp_path / "*.gz")])


def test_split_counts_the_examples_of_each_label(split: Split) -> None:
    assert split.label_counts == (1,) * _NUM_EXAMPLES


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_eval_batches_give_every_example_once_in_order(split: Split, cache_mib: int) -> None:
    config = TrainerConfig(batch_size=4, cache_mib=cache_mib)
    batches = list(eval_batches(split, _IMAGE, config, num_classes=_NUM_CLASSES))

    assert [labels.shape for _, labels in batches] == [(4, 13), (4, 13), (3, 13)]
    labels = [int(label) for _, rows in batches for label in np.argmax(rows, axis=1)]
    assert sorted(labels) == list(range(_NUM_EXAMPLES))
    for pictures, rows in batches:
        assert pictures.dtype == tf.uint8
        assert pictures.shape[1:] == _IMAGE.shape
        levels = pictures.numpy()[:, 6, 10, 0].astype(int)
        np.testing.assert_allclose(levels, np.argmax(rows, axis=1) * 20, atol=4)


def test_an_epoch_shows_every_example_once_shuffled(split: Split) -> None:
    labels = [label for _, label in _steps(split, None, seed=3, num_steps=_NUM_EXAMPLES)]

    assert sorted(labels) == list(range(_NUM_EXAMPLES))
    assert labels != sorted(labels)


def test_seed_repeats_order_and_augmentation_and_another_does_not(split: Split) -> None:
    augment = AugmentConfig(flip=True, shift_fraction=0.2)
    first, again, other = (_steps(split, augment, seed=s, num_steps=11) for s in (1, 1, 2))

    assert [label for _, label in first] == [label for _, label in again]
    for (picture, _), (same, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(picture, same)
    assert [label for _, label in first] != [label for _, label in other]


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_going_on_at_a_step_shows_what_an_uninterrupted_run_would_have_shown(
    split: Split, cache_mib: int
) -> None:
    augment = AugmentConfig(flip=True, shift_fraction=0, crop_min_area=0.5)
    whole = _steps(split, augment, seed=1, num_steps=30, cache_mib=cache_mib)

    rest = _steps(split, augment, seed=1, first_step=17, num_steps=13, cache_mib=cache_mib)

    assert [label for _, label in rest] == [label for _, label in whole[17:]]
    for (picture, _), (same, _) in zip(rest, whole[17:], strict=True):
        np.testing.assert_array_equal(picture, same)


def test_held_out_pictures_are_not_learned_from(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.gz", counts=[60, 40], size_px=12, seed=1)
    shutil.copy(tmp_path / "a.gz", tmp_path / "b.gz")  # every picture twice
    whole = Split.find([str(tmp_path / "*.gz")])
    image = ImageSpec(height_px=12, width_px=12)

    left, held_out = whole.hold_out(0.2, seed=4)

    assert left.num_examples + held_out.num_examples == 200
    assert 20 <= held_out.num_examples <= 60
    pictures = [
        {
            picture.tobytes()
            for batch, _ in pictures_in_order(part, image, 8)
            for picture in batch.numpy()
        }
        for part in (left, held_out)
    ]
    assert pictures[0].isdisjoint(pictures[1])
    assert len(pictures[0] | pictures[1]) == 100
    assert whole.hold_out(0.2, seed=5)[1].label_counts != held_out.label_counts


@pytest.mark.parametrize("share", [0, 0.01])
def test_nothing_is_held_out_where_it_would_be_too_little(tmp_path: Path, share: float) -> None:
    write_examples(tmp_path / "a.gz", counts=[20, 20], size_px=12, seed=1)
    whole = Split.find([str(tmp_path / "*.gz")])

    left, held_out = whole.hold_out(share, seed=0)

    assert left == whole
    assert held_out.num_examples == 0
