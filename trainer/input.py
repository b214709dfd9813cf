"""From Transform's files to batches of pictures and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from trainer.config import AugmentConfig
from trainer.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing import load_stored
from trainer.settings import ImageSpec

_BYTES_PER_MIB = 1 << 20
_SHUFFLE_AT_MOST = 10_000  # examples; the shards are shuffled already when they are written


@dataclass(frozen=True)
class Split:
    """Transformed examples of one split."""

    files: tuple[str, ...]
    """TFRecord files, gzip-compressed."""
    num_examples: int
    """Examples in all files."""

    @classmethod
    def find(cls, patterns: Sequence[str]) -> Split:
        """Lists and counts the examples that `patterns` name.

        Raises:
            ValueError: there is not one example.
        """
        files = tuple(sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern)))
        num_examples = int(_records(files).reduce(0, lambda count, _: count + 1)) if files else 0
        if not num_examples:
            raise ValueError(f"There are no transformed examples in {', '.join(patterns)}.")
        return cls(files, num_examples)

    def num_steps(self, batch_size: int) -> int:
        """Steps of one epoch; the last batch may be smaller."""
        return math.ceil(self.num_examples / batch_size)


def training_batches(
    split: Split,
    image: ImageSpec,
    augment: AugmentConfig,
    *,
    batch_size: int,
    cache_mib: int,
    seed: int,
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches.

    Every random choice is drawn from `seed`, and every parallel step keeps its order, so that a
    seed repeats a run.

    Returns:
        Pairs of `(batch, *image.shape)` uint8 and `(batch,)` int64.
    """
    examples = _cached(_decoded(split, image), split, image, cache_mib)
    # Shuffle before repeat: every picture is seen once an epoch.
    examples = examples.shuffle(min(split.num_examples, _SHUFFLE_AT_MOST), seed=seed).repeat()
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    return (
        tf.data.Dataset.zip((examples, seeds))
        .map(
            lambda example, draw: (_augmented(example[0], image, augment, draw), example[1]),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def eval_batches(
    split: Split, image: ImageSpec, *, batch_size: int, cache_mib: int
) -> tf.data.Dataset:
    """Each example once, in the order of the files, as pairs like `training_batches`."""
    examples = _cached(_decoded(split, image), split, image, cache_mib)
    batches = examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return batches.apply(tf.data.experimental.assert_cardinality(split.num_steps(batch_size)))


def _records(files: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(list(files), compression_type="GZIP")


def _decoded(split: Split, image: ImageSpec) -> tf.data.Dataset:
    spec = {
        transformed_name(IMAGE_KEY): tf.io.FixedLenFeature((), tf.string),
        transformed_name(LABEL_KEY): tf.io.FixedLenFeature((), tf.int64),
    }

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, spec)
        return (
            load_stored(example[transformed_name(IMAGE_KEY)], image),
            example[transformed_name(LABEL_KEY)],
        )

    # Gzip unpacks on one core a file; reading files side by side feeds the decoders.
    return (
        tf.data.Dataset.from_tensor_slices(list(split.files))
        .interleave(
            lambda name: tf.data.TFRecordDataset(name, compression_type="GZIP"),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    )


def _cached(
    examples: tf.data.Dataset, split: Split, image: ImageSpec, cache_mib: int
) -> tf.data.Dataset:
    num_bytes = split.num_examples * math.prod(image.shape)
    return examples.cache() if num_bytes <= cache_mib * _BYTES_PER_MIB else examples


def _augmented(
    picture: tf.Tensor, image: ImageSpec, augment: AugmentConfig, seed: tf.Tensor
) -> tf.Tensor:
    """Mirrors and shifts one picture `image.shape`; `seed` is two int64."""
    if augment.flip:
        picture = tf.image.stateless_random_flip_left_right(picture, seed)
    pad_y = round(image.height_px * augment.shift_fraction)
    pad_x = round(image.width_px * augment.shift_fraction)
    if pad_y or pad_x:
        # Mirrored borders, so that a shift adds no black bar that a network could learn.
        padded = tf.pad(picture, [[pad_y, pad_y], [pad_x, pad_x], [0, 0]], mode="REFLECT")
        picture = tf.image.stateless_random_crop(padded, image.shape, seed + 1)
    return picture
