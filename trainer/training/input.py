"""From Transform's files to batches of pictures and labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import ImageSpec
from trainer.preprocessing.transform import load_stored
from trainer.training.augment import Augmentation
from trainer.training.config import TrainerConfig

_BYTES_PER_MIB = 1 << 20
_COUNTED_AT_ONCE = 1024  # examples
_SHUFFLE_AT_MOST = 10_000  # examples; the shards are shuffled already when they are written


@dataclass(frozen=True)
class Split:
    """Transformed examples of one split."""

    files: tuple[str, ...]
    """TFRecord files, gzip-compressed."""
    label_counts: tuple[int, ...]
    """Examples of each label, from label 0 to the highest there is."""

    @property
    def num_examples(self) -> int:
        """Examples in all files."""
        return sum(self.label_counts)

    @classmethod
    def find(cls, patterns: Sequence[str]) -> Split:
        """Lists and counts the examples that `patterns` name.

        Raises:
            ValueError: there is not one example.
        """
        files = tuple(sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern)))
        counts: Counter[int] = Counter()
        for labels in _labels(files).batch(_COUNTED_AT_ONCE) if files else ():
            counts.update(labels.numpy().tolist())
        if not counts:
            raise ValueError(f"There are no transformed examples in {', '.join(patterns)}.")
        return cls(files, tuple(counts[label] for label in range(max(counts) + 1)))

    def num_steps(self, batch_size: int) -> int:
        """Steps of one epoch; the last batch may be smaller."""
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
    """Endless shuffled, augmented batches.

    Every random choice is drawn from the seed, and every parallel step keeps its order, so that a
    seed repeats a run, and a run that goes on at `first_step` sees what it would have seen.

    Args:
        split: the train split.
        image: size and colours of its pictures.
        config: batch size, seed and cache.
        num_classes: number of breeds.
        first_step: steps that were done before.
        augmentation: changes pictures and labels here, in the input pipeline.

    Returns:
        Pairs of `(batch_size, height, width, channels)` uint8 and one-hot `(batch_size,
        num_classes)` float32.
    """
    num_skipped = first_step * config.batch_size

    def shuffled(examples: tf.data.Dataset) -> tf.data.Dataset:
        # Shuffle before repeat: every picture is seen once an epoch.
        buffer_size = min(split.num_examples, _SHUFFLE_AT_MOST)
        return examples.shuffle(buffer_size, seed=config.seed).repeat().skip(num_skipped)

    if _fits_in_memory(split, image, config):
        examples = shuffled(_decoded(_records(split), image).cache())
    else:  # the buffer holds pictures as they are stored: a tenth of their decoded size or less
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
    """Each example once, in the order of the files, as pairs like `training_batches`.

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


def _labels(files: Sequence[str]) -> tf.data.Dataset:
    spec = {transformed_name(LABEL_KEY): tf.io.FixedLenFeature((), tf.int64)}
    return tf.data.TFRecordDataset(list(files), compression_type="GZIP").map(
        lambda record: tf.io.parse_single_example(record, spec)[transformed_name(LABEL_KEY)]
    )


def _records(split: Split) -> tf.data.Dataset:
    """Serialized examples; gzip unpacks on one core a file, so several are read side by side."""
    return tf.data.Dataset.from_tensor_slices(list(split.files)).interleave(
        lambda name: tf.data.TFRecordDataset(name, compression_type="GZIP"),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _decoded(records: tf.data.Dataset, image: ImageSpec) -> tf.data.Dataset:
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

    return records.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _fits_in_memory(split: Split, image: ImageSpec, config: TrainerConfig) -> bool:
    num_bytes = split.num_examples * math.prod(image.shape)
    return num_bytes <= config.cache_mib * _BYTES_PER_MIB
