"""The pictures of a report: galleries and confused pairs, from the eval examples."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.report.facts import Answer, ConfusedPair, Confusion, Gallery, Picture
from components.report.pictures.find_examples import CLOSE, find_examples
from components.report.pictures.galleries import choose_galleries, choose_pairs
from components.report.pictures.saliency import NoSaliencyError, grad_cam
from components.report.pictures.thumbnails import overlay, thumbnail
from foundation.versions import read_about
from trainer.export.signatures import EVAL_SIGNATURE
from trainer.preprocessing.features import IMAGE_KEY
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig

_LAID_OVER = (
    "Laid over the second picture of each is where the network looked for the breed that it named, "
    "from dark to bright (Grad-CAM)."
)


def show_pictures(
    answers: Sequence[Answer], confusion: Confusion, eval_folder: Path, model_path: Path
) -> tuple[tuple[ConfusedPair, ...], tuple[Gallery, ...]]:
    """Chooses pictures, reads them, and looks into the network for the worst of them.

    Args:
        answers: what the model said of every eval picture.
        confusion: how often each breed was taken for each other.
        eval_folder: the eval split of ExampleGen's output, GZIP-compressed TFRecords.
        model_path: the SavedModel that gave the answers.

    Returns:
        The most frequent confusions, some of which may have no picture, and the galleries, none of
        which is empty.
    """
    model = tf.saved_model.load(str(model_path))
    evaluate = model.signatures[EVAL_SIGNATURE]
    galleries, pairs = choose_galleries(answers), choose_pairs(confusion, answers)
    wanted = [answer for gallery in galleries for answer in gallery.answers]
    wanted += [answer for pair in pairs for answer in pair.answers]
    examples = find_examples(
        eval_folder,
        list(dict.fromkeys(wanted)),
        confusion.breeds,
        lambda examples: evaluate(tf.constant(list(examples)))["probabilities"].numpy(),
    )
    pictures = {
        answer: Picture(answer, thumbnail(_encoded(example)))
        for answer, example in examples.items()
    }
    explained = [
        picture
        for gallery in galleries
        if gallery.is_explained
        for picture in _found(gallery.answers, pictures)
    ]
    overlays, note = _explain(explained, examples, model, model_path, confusion.breeds)
    return (
        tuple(
            ConfusedPair(
                pair.truth, pair.named, pair.count, pair.share, _found(pair.answers, pictures)
            )
            for pair in pairs
        ),
        tuple(
            Gallery(
                gallery.title,
                f"{gallery.meaning} {note}" if gallery.is_explained else gallery.meaning,
                _found(gallery.answers, {**pictures, **overlays})
                if gallery.is_explained
                else _found(gallery.answers, pictures),
            )
            for gallery in galleries
            if not pictures.keys().isdisjoint(gallery.answers)
        ),
    )


def _explain(
    pictures: Sequence[Picture],
    examples: Mapping[Answer, bytes],
    model: Any,
    model_path: Path,
    breeds: Sequence[str],
) -> tuple[dict[Answer, Picture], str]:
    """Adds where the network looked.

    Returns:
        The pictures with it, none if that cannot be told, and what to say of it.
    """
    if not pictures:
        return {}, ""
    about = read_about(model_path)
    image = TrainerConfig.model_validate(about["trainer"]).network.image
    fit = TransformConfig.model_validate(about.get("transform", {})).fit
    answers = [picture.answer for picture in pictures]
    try:
        looked = grad_cam(model, [examples[answer] for answer in answers])
        _check(looked.probabilities, answers, breeds)
    except NoSaliencyError as error:
        logging.warning("Report: where the network looked is not shown: %s", error)
        return {}, f"Where the network looked is not shown: {error}"
    return {
        picture.answer: replace(
            picture,
            saliency=overlay(picture.jpeg, where, fit, image.width_px / image.height_px),
        )
        for picture, where in zip(pictures, looked.maps, strict=True)
    }, _LAID_OVER


def _check(
    probabilities: NDArray[np.float32], answers: Sequence[Answer], breeds: Sequence[str]
) -> None:
    """Makes sure that what was looked into is what gave the answers.

    Raises:
        NoSaliencyError: it gives others.
    """
    truths = [breeds.index(answer.breed) for answer in answers]
    expected = np.array([answer.truth_probability for answer in answers])
    furthest = np.abs(probabilities[np.arange(len(answers)), truths] - expected).max()
    if not furthest < CLOSE:
        raise NoSaliencyError(
            f"the network gives probabilities that are up to {furthest:.2g} from those evaluated."
        )


def _found(answers: Sequence[Answer], pictures: Mapping[Answer, Picture]) -> tuple[Picture, ...]:
    return tuple(pictures[answer] for answer in answers if answer in pictures)


def _encoded(example: bytes) -> bytes:
    features = tf.train.Example.FromString(example).features.feature
    encoded: bytes = features[IMAGE_KEY].bytes_list.value[0]
    return encoded
