"""Reads the images of a report from the eval examples: galleries and confused pairs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.evaluator.results.values import Answer, Confusion
from components.report.facts import ConfusedPair, Gallery, Picture
from components.report.pictures.galleries import choose_galleries, choose_pairs
from components.report.pictures.thumbnails import overlay, thumbnail
from foundation.versions import read_about
from ingestion.records import FILENAME_KEY
from trainer.export.signature_names import EVAL_SIGNATURE, SALIENCY_SIGNATURE
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig

Probabilities = Callable[[Sequence[bytes]], NDArray[np.float32]]
"""From serialized examples to `(num_examples, num_classes)`, in label order."""

_AT_MOST_ASKED = 600  # examples to run through the model again
CLOSE = 1e-3
"""Probabilities that differ by less are equal; the batch that an image is in may change them."""

_Key = tuple[str, str]


def find_examples(
    folder: Path,
    answers: Collection[Answer],
    breeds: Sequence[str],
    probabilities_of: Probabilities,
) -> dict[Answer, bytes]:
    """Finds the examples that belong to answers, in one pass over the split.

    Examples are matched by file name and breed. Where several share both, as in records without
    file names, the one is taken to which the model gives the same probability of its breed. At most
    600 examples are run through the model for that; answers beyond are not found.

    Args:
        folder: GZIP-compressed TFRecords of one split.
        answers: whose examples are wanted, in order of priority.
        breeds: names in label order.
        probabilities_of: runs the model that gave the answers.
    """
    candidates = _candidates(folder, {_key_of(answer) for answer in answers})
    found: dict[Answer, bytes] = {}
    asked: dict[_Key, NDArray[np.float32]] = {}
    for answer in answers:
        key = _key_of(answer)
        same = candidates.get(key, [])
        if len(same) == 1:
            found[answer] = same[0]
        elif same:
            if key not in asked:
                if sum(map(len, asked.values())) + len(same) > _AT_MOST_ASKED:
                    logging.info("Too many pictures named %r of %r to tell apart.", *key)
                    continue
                asked[key] = probabilities_of(same)[:, breeds.index(answer.breed)]
            distances = np.abs(asked[key] - answer.truth_probability)
            nearest = int(np.argmin(distances))
            if distances[nearest] < CLOSE:
                found[answer] = same[nearest]
    logging.info("Report: found %d of %d pictures.", len(found), len(answers))
    return found


def _candidates(folder: Path, wanted: Collection[_Key]) -> Mapping[_Key, list[bytes]]:
    candidates: dict[_Key, list[bytes]] = defaultdict(list)
    files = sorted(str(path) for path in folder.iterdir())
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        key = _text(features, FILENAME_KEY), _text(features, BREED_KEY)
        if key in wanted:
            candidates[key].append(record)
    return candidates


def _key_of(answer: Answer) -> _Key:
    return answer.filename, answer.breed


def _text(features: Mapping[str, tf.train.Feature], name: str) -> str:
    values = features[name].bytes_list.value if name in features else ()
    return values[0].decode("utf-8", "replace") if values else ""


_LAID_OVER = (
    "Laid over the second picture of each is where the network looked for the breed that it named, "
    "from dark to bright (Grad-CAM)."
)


def show_pictures(
    answers: Sequence[Answer], confusion: Confusion, eval_folder: Path, model_path: Path
) -> tuple[tuple[ConfusedPair, ...], tuple[Gallery, ...]]:
    """Chooses and reads images, and computes heat maps for the most confidently wrong ones.

    Returns:
        The most frequent confusions, possibly without images, and the non-empty galleries.
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
    """Adds Grad-CAM heat maps.

    Returns:
        The images with heat maps, none if the model has no such signature or does not match, and a
        note for the reader.
    """
    if not pictures:
        return {}, ""
    if SALIENCY_SIGNATURE not in model.signatures:
        return _not_shown(
            f"the model has no signature {SALIENCY_SIGNATURE!r}. An earlier release exported it, "
            "or its network has no convolution, and so no place of its own in a picture."
        )
    answers = [picture.answer for picture in pictures]
    looked = model.signatures[SALIENCY_SIGNATURE](
        pictures=tf.constant([_encoded(examples[answer]) for answer in answers]),
        labels=tf.constant([breeds.index(answer.guesses[0][0]) for answer in answers], tf.int64),
    )
    truths = [breeds.index(answer.breed) for answer in answers]
    expected = np.array([answer.truth_probability for answer in answers])
    given = looked["probabilities"].numpy()[np.arange(len(answers)), truths]
    furthest = np.abs(given - expected).max()
    if not furthest < CLOSE:  # this is not the model that gave the answers
        return _not_shown(
            f"the network gives probabilities that are up to {furthest:.2g} from those evaluated."
        )
    about = read_about(model_path)
    image = TrainerConfig.model_validate(about["trainer"]).network.image
    fit = TransformConfig.model_validate(about.get("transform", {})).fit
    return {
        picture.answer: replace(
            picture,
            saliency=overlay(picture.jpeg, where, fit, image.width_px / image.height_px),
        )
        for picture, where in zip(pictures, looked["maps"].numpy(), strict=True)
    }, _LAID_OVER


def _not_shown(reason: str) -> tuple[dict[Answer, Picture], str]:
    logging.warning("Report: where the network looked is not shown: %s", reason)
    return {}, f"Where the network looked is not shown: {reason}"


def _found(answers: Sequence[Answer], pictures: Mapping[Answer, Picture]) -> tuple[Picture, ...]:
    return tuple(pictures[answer] for answer in answers if answer in pictures)


def _encoded(example: bytes) -> bytes:
    features = tf.train.Example.FromString(example).features.feature
    encoded: bytes = features[IMAGE_KEY].bytes_list.value[0]
    return encoded
