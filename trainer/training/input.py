"""Reads Transform's files into batches of images and labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import ImageSpec
from trainer.preprocessing.transform import load_stored
from trainer.training.augment import Augmentation
from trainer.training.config import TrainerConfig

_BYTES_PER_MIB = 1 << 20
_COUNTED_AT_ONCE = 1024  # examples
_SHUFFLE_AT_MOST = 10_000  # examples; the shards are shuffled already when they are written
FEWEST_HELD_OUT = 8
"""Examples from which nothing could be fitted."""
_HASH_KEY = 0x5EED
_NUM_BUCKETS = 1 << 20  # of a picture's hash: a share of them is a share of the pictures


@dataclass(frozen=True)
class Split:
    """Transformed examples of one split, or of a part of it."""

    files: tuple[str, ...]
    """TFRecord files, gzip-compressed."""
    label_counts: tuple[int, ...]
    """Examples of each label, from label 0 to the highest there is."""
    buckets: tuple[int, int] = (0, _NUM_BUCKETS)
    """Which examples of the files belong to it: from the first hash to before the second."""
    seed: int = 0
    """Key of that hash."""

    @property
    def num_examples(self) -> int:
        """Examples in all files."""
        return sum(self.label_counts)

    @classmethod
    def find(cls, patterns: Sequence[str]) -> Split:
        """Finds the files that match `patterns`, and counts their examples.

        Raises:
            ValueError: there is not one example.
        """
        files = tuple(sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern)))
        split = cls(files, ())._counted()
        if not split.label_counts:
            raise ValueError(f"There are no transformed examples in {', '.join(patterns)}.")
        return split

    def hold_out(self, share: float, seed: int) -> tuple[Split, Split]:
        """Parts the split in two: what is left, and about `share` of it.

        The content of a picture decides where it goes, so that equal pictures stay together. Where
        less than `FEWEST_HELD_OUT` would be held out, or nothing left, nothing is held out.
        """
        end = round(share * _NUM_BUCKETS)
        held_out = replace(self, buckets=(0, end), seed=seed)._counted()
        left = replace(self, buckets=(end, _NUM_BUCKETS), seed=seed)._counted()
        if held_out.num_examples < FEWEST_HELD_OUT or not left.num_examples:
            return self, replace(self, label_counts=(), buckets=(0, 0))
        return left, held_out

    def _counted(self) -> Split:
        """Returns the same split with the labels of its examples counted."""
        counts: Counter[int] = Counter()
        labels = stored_in_order(self).map(lambda _, label: label) if self.files else None
        for some in labels.batch(_COUNTED_AT_ONCE) if labels is not None else ():
            counts.update(some.numpy().tolist())
        num_labels = max(counts, default=-1) + 1
        return replace(self, label_counts=tuple(counts[label] for label in range(num_labels)))

    def num_steps(self, batch_size: int) -> int:
        """Returns the steps of one epoch; the last batch may be smaller."""
        return math.ceil(self.num_examples / batch_size)


def training_batches(
    split: Split,
    image: ImageSpec,
    config: TrainerConfig,
    *,
    num_classes: int,
    first_step: int = 0,
    augmentation: Augmentation | None = None,
) -> tf.data.Dataset:
    """Returns endless shuffled, augmented batches.

    They depend on the seed alone, and a run resumed at `first_step` sees the same batches as an
    uninterrupted one: every random choice is seeded, and every parallel step keeps its order.

    Returns:
        Pairs of `(batch_size, height, width, channels)` uint8 and one-hot `(batch_size,
        num_classes)` float32.
    """
    num_skipped = first_step * config.batch_size

    def shuffled(examples: tf.data.Dataset) -> tf.data.Dataset:
        # Shuffle before repeat: every image is seen once an epoch.
        buffer_size = min(split.num_examples, _SHUFFLE_AT_MOST)
        return examples.shuffle(buffer_size, seed=config.seed).repeat().skip(num_skipped)

    if _fits_in_memory(split, image, config):
        examples = shuffled(_decoded(_records(split), image).cache())
    else:  # the buffer holds encoded images: a tenth of their decoded size or less
        examples = _decoded(shuffled(_records(split)), image)
    batches = examples.batch(config.batch_size, drop_remainder=True).map(
        lambda pictures, labels: (pictures, tf.one_hot(labels, num_classes))
    )
    if augmentation is not None:
        steps = tf.data.Dataset.counter(start=first_step)
        batches = tf.data.Dataset.zip((batches, steps)).map(
            lambda batch, step: augmentation(batch[0], batch[1], step),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def eval_batches(
    split: Split, image: ImageSpec, config: TrainerConfig, *, num_classes: int
) -> tf.data.Dataset:
    """Returns each example once, in file order, as pairs like those of `training_batches`.

    The last batch may be smaller.
    """
    examples = _decoded(_records(split), image)
    if _fits_in_memory(split, image, config):
        examples = examples.cache()
    batches = (
        examples.batch(config.batch_size)
        .map(lambda pictures, labels: (pictures, tf.one_hot(labels, num_classes)))
        .prefetch(tf.data.AUTOTUNE)
    )
    return batches.apply(
        tf.data.experimental.assert_cardinality(split.num_steps(config.batch_size))
    )


def pictures_in_order(
    split: Split, image: ImageSpec, batch_size: int, *, skip: int = 0
) -> tf.data.Dataset:
    """Each example once, in the order of the files, after the first `skip` ones.

    Returns:
        Pairs of `(batch, height, width, channels)` uint8 and labels `(batch,)` int64. The last
        batch may be smaller; nothing is kept in memory.
    """
    return _decoded(_records(split).skip(skip), image).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def stored_in_order(split: Split) -> tf.data.Dataset:
    """Each example once, in the order of the files: its stored picture and its label, scalars."""
    return _records(split).map(_parsed)


def _records(split: Split) -> tf.data.Dataset:
    """Reads serialized examples from several files in parallel: gzip uses one core a file."""
    records = tf.data.Dataset.from_tensor_slices(list(split.files)).interleave(
        lambda name: tf.data.TFRecordDataset(name, compression_type="GZIP"),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    first, end = split.buckets
    if (first, end) == (0, _NUM_BUCKETS):
        return records

    def belongs(record: tf.Tensor) -> tf.Tensor:
        key = [split.seed, _HASH_KEY]
        bucket = tf.strings.to_hash_bucket_strong(_parsed(record)[0], _NUM_BUCKETS, key)
        return (first <= bucket) & (bucket < end)

    return records.filter(belongs)


def _parsed(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the stored picture and the label of a serialized example, both scalar."""
    spec = {
        transformed_name(IMAGE_KEY): tf.io.FixedLenFeature((), tf.string),
        transformed_name(LABEL_KEY): tf.io.FixedLenFeature((), tf.int64),
    }
    example = tf.io.parse_single_example(record, spec)
    return example[transformed_name(IMAGE_KEY)], example[transformed_name(LABEL_KEY)]


def _decoded(records: tf.data.Dataset, image: ImageSpec) -> tf.data.Dataset:
    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stored, label = _parsed(record)
        return load_stored(stored, image), label

    return records.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _fits_in_memory(split: Split, image: ImageSpec, config: TrainerConfig) -> bool:
    num_bytes = split.num_examples * math.prod(image.shape)
    return num_bytes <= config.cache_mib * _BYTES_PER_MIB
