"""From an answer back to the eval example that it was given to."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.report.facts import Answer
from ingestion.records import FILENAME_KEY
from trainer.preprocessing.features import BREED_KEY

Probabilities = Callable[[Sequence[bytes]], NDArray[np.float32]]
"""From serialized examples to `(num_examples, num_classes)`, in label order."""

_AT_MOST_ASKED = 600  # examples that the model is asked about once more
CLOSE = 1e-3
"""Probabilities that differ by less are the same; the batch a picture is in may change them."""

_Key = tuple[str, str]


def find_examples(
    folder: Path,
    answers: Collection[Answer],
    breeds: Sequence[str],
    probabilities_of: Probabilities,
) -> dict[Answer, bytes]:
    """Reads the split once and keeps what is wanted.

    An example is known by its file name and breed. Where several share both, as in records that
    were made without file names, the model is asked about them once more: the one that it gives the
    same probability of its breed is the one. If that would be more than 600, those that are beyond
    are not found.

    Args:
        folder: GZIP-compressed TFRecords of one split.
        answers: whose examples are wanted, the most wanted first.
        breeds: names in label order.
        probabilities_of: asks the model that gave the answers.

    Returns:
        Serialized `tf.train.Example` by answer, of those that were found.
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
