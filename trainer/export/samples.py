"""Small pictures of a split, as Transform stored them, to send along with the model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import tensorflow as tf

from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.training.input import Split

_LONGER_SIDE_PX = 128
_JPEG_QUALITY = 90


def first_pictures(split: Split, count: int) -> list[bytes]:
    """Takes the first pictures of a split, from the start again where it has fewer.

    Args:
        split: transformed examples.
        count: how many.

    Returns:
        JPEGs of at most 128 x 128 pixels.
    """
    found = [picture for picture, _ in islice(_stored(split), count)]
    return [_small(picture) for picture in islice(cycle(found), count)]


def write_samples(split: Split, directory: Path) -> None:
    """Writes the first picture of each breed to `directory` as `LABEL.jpg`.

    Args:
        split: transformed examples; a breed that has none gets no file.
        directory: a folder to make. Its JPEGs have at most 128 x 128 pixels.
    """
    directory.mkdir(parents=True)
    missing = {label for label, count in enumerate(split.label_counts) if count}
    for picture, label in _stored(split):
        if label in missing:
            (directory / f"{label}.jpg").write_bytes(_small(picture))
            missing.remove(label)
        if not missing:
            return


def _stored(split: Split) -> Iterator[tuple[bytes, int]]:
    """Yields pictures, encoded, with their labels, in the order of the files."""
    spec = {
        transformed_name(IMAGE_KEY): tf.io.FixedLenFeature((), tf.string),
        transformed_name(LABEL_KEY): tf.io.FixedLenFeature((), tf.int64),
    }
    for record in tf.data.TFRecordDataset(list(split.files), compression_type="GZIP"):
        example = tf.io.parse_single_example(record, spec)
        yield (
            example[transformed_name(IMAGE_KEY)].numpy(),
            int(example[transformed_name(LABEL_KEY)]),
        )


def _small(stored: bytes) -> bytes:
    """Scales a JPEG down to at most 128 x 128 pixels; one that fits is kept byte for byte."""
    height, width, _ = tf.io.extract_jpeg_shape(stored).numpy().tolist()
    if max(height, width) <= _LONGER_SIDE_PX:
        return stored
    scale = _LONGER_SIDE_PX / max(height, width)
    size = [max(1, round(side * scale)) for side in (height, width)]
    scaled = tf.image.resize(tf.io.decode_jpeg(stored), size, antialias=True)
    small: bytes = tf.io.encode_jpeg(
        tf.cast(tf.round(scaled), tf.uint8), quality=_JPEG_QUALITY
    ).numpy()
    return small
