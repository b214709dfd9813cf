"""The features of a frozen backbone: computed once, kept in files, and drawn from in each epoch.

While a backbone is frozen it makes the same features of a picture again and again. Computing them
once leaves an epoch to the last layers, which take seconds. What chance there is in augmentation
comes from several copies of each picture, of which each epoch draws one.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.training.augment import Augmentation
from trainer.training.config import TrainerConfig
from trainer.training.history import PROGRESS_LOGGER
from trainer.training.input import Split, pictures_in_order

_PER_FILE = 512  # examples; what a training that is killed has to compute anew at most
_BATCH_SIZE = 32  # larger ones leave a processor's cache: measured 15 % slower at 128
_INTERVAL_S = 2.0
_FEATURES, _LABELS = "features.npy", "labels.npy"

_progress = logging.getLogger(PROGRESS_LOGGER)

Extract = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From pictures `(batch, height, width, channels)` uint8 and the number of the batch to features
`(batch, copies, features)` float32."""


def batches_of_features(
    network: keras.Model,
    train_split: Split,
    eval_split: Split,
    config: TrainerConfig,
    directory: Path,
    *,
    num_copies: int,
    num_classes: int,
    first_step: int,
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Computes the features of both splits, or reads what an earlier start has computed of them.

    Args:
        network: with a layer `features` of `(batch, features)`.
        train_split: examples to learn from.
        eval_split: examples to measure by, each as it is.
        config: the settings.
        directory: keeps the features.
        num_copies: copies of each train picture, at least one.
        num_classes: number of breeds.
        first_step: steps that were done before.

    Returns:
        Endless batches for training, and each example once for evaluation: pairs of features
        `(batch, features)` float32 and one-hot labels `(batch, num_classes)` float32.
    """
    for_training, for_evaluation = (
        compute_features(_extractor(network, config, copies), split, config, directory / name, name)
        for name, split, copies in (("train", train_split, num_copies), ("eval", eval_split, 1))
    )
    num_eval = len(for_evaluation.labels)
    return (
        _dataset(
            lambda: _training_rows(for_training, config, first_step), for_training, num_classes
        ),
        _dataset(lambda: _eval_rows(for_evaluation, config), for_evaluation, num_classes).apply(
            tf.data.experimental.assert_cardinality(math.ceil(num_eval / config.batch_size))
        ),
    )


@dataclass(frozen=True)
class SplitFeatures:
    """The features of one split's pictures, in files that are read where they are needed."""

    parts: tuple[NDArray[np.float32], ...]
    """`(examples, copies, features)`, memory-mapped; as many examples in each but the last."""
    labels: NDArray[np.int64]
    """Of every example."""

    @property
    def num_copies(self) -> int:
        """Copies of each picture."""
        return self.parts[0].shape[1]

    def rows(self, examples: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.float32]:
        """Reads the features of one copy of each of some examples, `(len(examples), features)`."""
        return np.stack(
            [
                self.parts[example // _PER_FILE][example % _PER_FILE, copy]
                for example, copy in zip(examples.tolist(), copies.tolist(), strict=True)
            ]
        )


def compute_features(
    extract: Extract, split: Split, config: TrainerConfig, directory: Path, name: str
) -> SplitFeatures:
    """Computes the features of every picture of a split that has none in a file yet.

    Args:
        extract: makes them.
        split: the pictures.
        config: the settings.
        directory: keeps them, in folders that are written whole or not at all.
        name: the split's, for people.
    """
    directory.mkdir(parents=True, exist_ok=True)
    num_parts = math.ceil(split.num_examples / _PER_FILE)
    folders = [directory / f"part-{number:05}" for number in range(num_parts)]
    num_done = next((n for n, folder in enumerate(folders) if not folder.is_dir()), num_parts)
    missing = folders[num_done:]
    first = num_done * _PER_FILE
    numbered = tf.data.Dataset.counter(start=first // _BATCH_SIZE)
    pictures = pictures_in_order(split, config.network.image, _BATCH_SIZE, skip=first)
    batches = iter(tf.data.Dataset.zip((pictures, numbered))) if missing else iter(())
    told, reported_at = "features of %s pictures, %d/%d", -math.inf
    for folder in missing:
        features, labels = [], []
        for (picture, label), number in itertools.islice(batches, _PER_FILE // _BATCH_SIZE):
            features.append(extract(picture, number).numpy())
            labels.append(label.numpy())
            first += len(labels[-1])
            if time.monotonic() - reported_at >= _INTERVAL_S:
                reported_at = time.monotonic()
                _progress.info(told, name, first, split.num_examples)
        _write(folder, np.concatenate(features), np.concatenate(labels))
        _progress.info(told, name, first, split.num_examples, extra={"milestone": True})
    return SplitFeatures(
        tuple(np.load(folder / _FEATURES, mmap_mode="r") for folder in folders),
        np.concatenate([np.load(folder / _LABELS) for folder in folders]),
    )


def _extractor(network: keras.Model, config: TrainerConfig, num_copies: int) -> Extract:
    """Makes a function that computes the features of the copies of pictures.

    The picture as it is comes first, its mirror image second if training may mirror pictures, and
    the others are augmented as the configuration says. Pictures are not mixed: features that are
    kept have one label.
    """
    image = config.network.image
    unmixed = config.augment.model_copy(update={"mixup_alpha": 0, "cutmix_factor": 0})
    augmentation = Augmentation(unmixed, image, num_steps=1, seed=config.seed)
    features_of = keras.Model(network.input, network.get_layer("features").output)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *image.shape), tf.uint8),
            tf.TensorSpec((), tf.int64),
        ],
        autograph=False,
    )
    def extract(pictures: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        copies = [pictures]
        if config.augment.flip:
            copies.append(pictures[:, :, ::-1])
        no_labels = tf.zeros((tf.shape(pictures)[0], 1))
        copies += [
            augmentation(pictures, no_labels, number * num_copies + copy)[0]
            for copy in range(len(copies), num_copies)
        ]
        made = [features_of(copy, training=False) for copy in copies[:num_copies]]
        return tf.cast(tf.stack(made, axis=1), tf.float32)

    return extract


def _write(folder: Path, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    half = folder.with_name(f"half-{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    np.save(half / _FEATURES, features)
    np.save(half / _LABELS, labels)
    os.replace(half, folder)


_Rows = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Features `(batch, features)` and their labels `(batch,)`."""


def _training_rows(
    features: SplitFeatures, config: TrainerConfig, first_step: int
) -> Iterator[_Rows]:
    """Yields shuffled batches without end, with one copy of each example in each pass.

    Order and copies are drawn from the seed and the number of the pass, so that a run that goes on
    at `first_step` sees what it would have seen.
    """
    num_examples, batch_size = len(features.labels), config.batch_size

    @functools.lru_cache(maxsize=2)
    def drawn(number: int) -> NDArray[np.int64]:  # (examples, 2)
        rng = np.random.default_rng([config.seed, number])
        copies = rng.integers(features.num_copies, size=num_examples)
        return np.stack([rng.permutation(num_examples), copies], axis=1)

    for step in itertools.count(first_step):
        places = range(step * batch_size, (step + 1) * batch_size)
        examples, copies = np.array(
            [drawn(at // num_examples)[at % num_examples] for at in places]
        ).T
        yield features.rows(examples, copies), features.labels[examples]


def _eval_rows(features: SplitFeatures, config: TrainerConfig) -> Iterator[_Rows]:
    """Yields the first copy of each example once, in order; the last batch may be smaller."""
    examples = np.arange(len(features.labels))
    for first in range(0, len(examples), config.batch_size):
        chosen = examples[first : first + config.batch_size]
        yield features.rows(chosen, np.zeros_like(chosen)), features.labels[chosen]


def _dataset(
    rows: Callable[[], Iterator[_Rows]], features: SplitFeatures, num_classes: int
) -> tf.data.Dataset:
    width = features.parts[0].shape[-1]
    signature = (tf.TensorSpec((None, width), tf.float32), tf.TensorSpec((None,), tf.int64))
    return (
        tf.data.Dataset.from_generator(rows, output_signature=signature)
        .map(lambda made, labels: (made, tf.one_hot(labels, num_classes)))
        .prefetch(tf.data.AUTOTUNE)
    )
