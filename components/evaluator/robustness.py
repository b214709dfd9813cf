"""Measures how accurate a model stays on images that are worse than those it was evaluated on."""

from __future__ import annotations

import hashlib
import heapq
import io
import itertools
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
from PIL import Image
from tfx.utils import io_utils

from components.evaluator.picture_changes import CHANGES
from components.evaluator.results.robustness import (
    ROBUSTNESS_FILE,
    MeasuredChange,
    MeasuredRobustness,
)
from components.evaluator.settings import RobustnessConfig
from trainer.export.signature_names import DEFAULT_SIGNATURE
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY

_BATCH_SIZE = 32
_THREADS = 2  # Pillow changes images while the model answers about others


def measure_robustness(
    eval_folder: str, model_path: str, evaluation: str, config: RobustnessConfig
) -> MeasuredRobustness:
    """Asks the model as a client would, about eval images as they are and changed.

    Args:
        eval_folder: GZIP-compressed TFRecords of the eval split.
        model_path: the SavedModel.
        evaluation: folder or address of the evaluation, where the result is kept.
        config: how many images, at least one, and bounds.
    """
    started_at = time.monotonic()
    sample = _sample(eval_folder, config.pictures)
    breeds = [breed for _, breed in sample]
    # The model is kept, as its signatures alone would lose their variables.
    model = tf.saved_model.load(model_path)
    bounds = config.max_drop.model_dump()
    with ThreadPoolExecutor(_THREADS) as threads:
        decoded = list(threads.map(_decoded, (picture for picture, _ in sample)))
        measured = MeasuredRobustness(
            num_pictures=len(sample),
            num_right=_num_right(model, (picture for picture, _ in sample), breeds),
            changes=tuple(
                MeasuredChange(
                    kind=kind,
                    title=change.title,
                    num_right=_num_right(model, threads.map(change.encoded, decoded), breeds),
                    max_drop=bounds[kind],
                )
                for kind, change in CHANGES.items()
            ),
        )
    io_utils.write_string_file(
        os.path.join(evaluation, ROBUSTNESS_FILE), measured.model_dump_json(indent=1)
    )
    logging.info("Evaluator: robustness took %.2f s.", time.monotonic() - started_at)
    return measured


def _sample(folder: str, num_pictures: int) -> list[tuple[bytes, bytes]]:
    """Returns encoded images and breeds: of the same split always the same, in whatever order."""
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*")))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    chosen = heapq.nsmallest(
        num_pictures, records, key=lambda record: hashlib.blake2b(record, digest_size=16).digest()
    )
    features = [tf.train.Example.FromString(record).features.feature for record in chosen]
    return [
        (each[IMAGE_KEY].bytes_list.value[0], each[BREED_KEY].bytes_list.value[0])
        for each in features
    ]


def _decoded(encoded: bytes) -> Image.Image:
    with Image.open(io.BytesIO(encoded)) as picture:
        return picture.convert("RGB")


def _num_right(model: Any, pictures: Iterator[bytes], breeds: Sequence[bytes]) -> int:
    """Counts the encoded images whose breed the model names first."""
    serve = model.signatures[DEFAULT_SIGNATURE]
    truths = iter(breeds)
    num_right = 0
    while batch := list(itertools.islice(pictures, _BATCH_SIZE)):
        named = serve(pictures=tf.constant(batch))["breeds"][:, 0].numpy()
        num_right += sum(map(bytes.__eq__, named, truths))
    return num_right
