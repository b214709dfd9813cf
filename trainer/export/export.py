"""Writes the exported model with warm-up requests, sample images and model card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog

from foundation.versions import ABOUT_FILE, BREEDS_FILE, MODEL_CARD_FILE, SAMPLES_DIR, WARMUP_FILE
from trainer.export.model_card import ModelFacts, model_card, versions
from trainer.export.signature_names import CLASSIFY_SIGNATURE, DEFAULT_SIGNATURE
from trainer.export.signatures import Servable, save_servable
from trainer.preprocessing.features import IMAGE_KEY
from trainer.training.input import Split, stored_in_order

BATCH_SIZES = (1, 2, 4, 8)
"""Batch sizes of the Predict requests."""


def write_warmup(pictures: Sequence[bytes], path: Path) -> None:
    """Writes a Predict request for each of `BATCH_SIZES`, and one Classify request, as TFRecords.

    The requests name no model, so they work whatever name the server gives this one. At least as
    many encoded images are needed as the largest batch has.
    """
    logs = [
        PredictionLog(
            predict_log=PredictLog(
                request=PredictRequest(
                    model_spec=ModelSpec(signature_name=DEFAULT_SIGNATURE),
                    inputs={"pictures": tf.make_tensor_proto(pictures[:size], tf.string)},
                )
            )
        )
        for size in BATCH_SIZES
    ]
    classify = ClassificationRequest(model_spec=ModelSpec(signature_name=CLASSIFY_SIGNATURE))
    example = classify.input.example_list.examples.add()
    example.features.feature[IMAGE_KEY].bytes_list.value.append(pictures[0])
    logs.append(PredictionLog(classify_log=ClassifyLog(request=classify)))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))


_LONGER_SIDE_PX = 128
_JPEG_QUALITY = 90


def first_pictures(split: Split, count: int) -> list[bytes]:
    """Returns the first images of a split, repeated where it has fewer than `count`.

    They are JPEGs of at most 128 x 128 pixels.
    """
    found = [picture for picture, _ in islice(_stored(split), count)]
    return [_small(picture) for picture in islice(cycle(found), count)]


def write_samples(split: Split, directory: Path) -> None:
    """Writes the first image of each class as `LABEL.jpg`, of at most 128 x 128 pixels."""
    directory.mkdir(parents=True)
    missing = {label for label, count in enumerate(split.label_counts) if count}
    for picture, label in _stored(split):
        if label in missing:
            (directory / f"{label}.jpg").write_bytes(_small(picture))
            missing.remove(label)
        if not missing:
            return


def _stored(split: Split) -> Iterator[tuple[bytes, int]]:
    """Yields encoded images with their labels, in the order of the files."""
    for stored, label in stored_in_order(split):
        yield stored.numpy(), int(label)


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


def export(
    network: keras.Model, transform: tft.TFTransformOutput, facts: ModelFacts, directory: Path
) -> None:
    """Exports a trained network and its Transform graph. The same inputs give the same files.

    Args:
        network: `(batch, *image.shape)` uint8 to `(batch, num_classes)` logits.
        transform: the Transform graph that it was trained with.
        facts: contents of the model card.
        directory: the folder to create.
    """
    config = facts.config
    servable = Servable(
        network,
        transform,
        facts.breeds,
        config.network.image,
        config.top_k,
        average_mirrored=config.average_mirrored,
        calibration=facts.calibration,
    )
    save_servable(servable, directory)
    about = {
        "recipe": facts.recipe,
        "data": facts.data,
        "breeds": list(facts.breeds),
        "parameters": facts.parameters,
        "trainer": config.model_dump(mode="json"),
        "transform": facts.transform.model_dump(mode="json"),
        "versions": versions(),
    }
    write_samples(facts.train_split, directory / SAMPLES_DIR)
    _write(directory / ABOUT_FILE, json.dumps(about, indent=2))
    _write(directory / BREEDS_FILE, "".join(f"{breed}\n" for breed in facts.breeds))
    _write(directory / MODEL_CARD_FILE, model_card(facts))
    write_warmup(first_pictures(facts.eval_split, max(BATCH_SIZES)), directory / WARMUP_FILE)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
