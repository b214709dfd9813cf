from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.config import AugmentConfig
from trainer.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.input import Split, eval_batches, training_batches
from trainer.preprocessing import store
from trainer.settings import ImageSpec, TransformConfig

_IMAGE = ImageSpec(height_px=12, width_px=20, channels=1)
_NUM_EXAMPLES = 11
_STILL = AugmentConfig(flip=False, shift_fraction=0)


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


def _epoch(split: Split, augment: AugmentConfig, seed: int) -> list[tuple[np.ndarray, int]]:
    batches = training_batches(split, _IMAGE, augment, batch_size=1, cache_mib=1, seed=seed)
    return [
        (pictures.numpy()[0], int(labels[0]))
        for pictures, labels in batches.take(split.num_examples)
    ]


def test_split_counts_examples_and_steps(split: Split) -> None:
    assert split.num_examples == _NUM_EXAMPLES
    assert split.num_steps(batch_size=4) == 3


def test_split_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There are no transformed examples in"):
        Split.find([str(tmp_path / "*.gz")])


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_eval_batches_give_every_example_once_in_order(split: Split, cache_mib: int) -> None:
    batches = list(eval_batches(split, _IMAGE, batch_size=4, cache_mib=cache_mib))

    assert [len(labels) for _, labels in batches] == [4, 4, 3]
    assert sorted(int(label) for _, labels in batches for label in labels) == list(range(11))
    for pictures, labels in batches:
        assert pictures.dtype == tf.uint8
        assert pictures.shape[1:] == _IMAGE.shape
        levels = pictures.numpy()[:, 6, 10, 0].astype(int)
        np.testing.assert_allclose(levels, labels.numpy() * 20, atol=4)


def test_an_epoch_shows_every_example_once_shuffled(split: Split) -> None:
    labels = [label for _, label in _epoch(split, _STILL, seed=3)]

    assert sorted(labels) == list(range(_NUM_EXAMPLES))
    assert labels != sorted(labels)


def test_seed_repeats_order_and_augmentation_and_another_does_not(split: Split) -> None:
    augment = AugmentConfig(flip=True, shift_fraction=0.2)
    first, again, other = (_epoch(split, augment, seed) for seed in (1, 1, 2))

    assert [label for _, label in first] == [label for _, label in again]
    for (picture, _), (same, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(picture, same)
    assert [label for _, label in first] != [label for _, label in other]


def test_flip_moves_the_edge_to_the_right_in_some_pictures_only(split: Split) -> None:
    pictures = [picture for picture, _ in _epoch(split, AugmentConfig(shift_fraction=0), seed=0)]

    flipped = [bool(picture[6, -1, 0] > 240) for picture in pictures]
    assert 0 < sum(flipped) < _NUM_EXAMPLES
    kept = [bool(picture[6, 0, 0] > 240) for picture in pictures]
    assert [not each for each in kept] == flipped
