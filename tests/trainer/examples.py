"""Transformed examples, as Transform leaves them, for tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import TransformConfig
from trainer.preprocessing.transform import store

_TINTS = np.array([[90, 0, 0], [0, 90, 0], [0, 0, 90], [60, 60, 60]], np.uint8)


def write_examples(path: Path, *, counts: Sequence[int], size_px: int, seed: int) -> None:
    """Writes noisy pictures, `counts[i]` of label i, each label in a tint of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for label in labels:
            picture = rng.integers(0, 120, (size_px, size_px, 3)).astype(np.uint8) + _TINTS[label]
            stored = store(tf.constant(picture), TransformConfig()).numpy()
            feature = {
                transformed_name(IMAGE_KEY): tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[stored])
                ),
                transformed_name(LABEL_KEY): tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[label])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
