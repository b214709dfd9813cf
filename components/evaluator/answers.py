"""Writes the model's answer to each eval image to Parquet files, within TFMA's evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.evaluator.answer_columns import (
    ANSWERS_FOLDER,
    ANSWERS_SUFFIX,
    CROSS_ENTROPY,
    FILENAME,
    GUESS_PROBABILITIES,
    GUESSES,
    IS_KNOWN,
    LABEL,
    NUM_BETTER,
    NUM_GUESSES,
    TRUTH_PROBABILITY,
    of_baseline,
)
from components.evaluator.slices import DERIVED
from ingestion.records import FILENAME_KEY
from trainer.export.signature_names import IS_KNOWN as IS_KNOWN_OUTPUT
from trainer.preprocessing.features import LABEL_KEY

_OF_A_MODEL = (
    (GUESSES, pa.list_(pa.int32())),
    (GUESS_PROBABILITIES, pa.list_(pa.float32())),
    (TRUTH_PROBABILITY, pa.float32()),
    (NUM_BETTER, pa.int32()),
    (CROSS_ENTROPY, pa.float32()),
    (IS_KNOWN, pa.bool_()),
)


def of_slice(feature: str) -> str:
    """Returns the name of the column of a slicing feature."""
    return f"slice:{feature}"


def answer_schema(slices: Sequence[str], *, has_baseline: bool) -> pa.Schema:
    """Returns the Parquet schema of the answers, given the slicing features."""
    baseline = [(of_baseline(name), kind) for name, kind in _OF_A_MODEL] if has_baseline else []
    return pa.schema(
        [
            (FILENAME, pa.string()),
            (LABEL, pa.int32()),
            *_OF_A_MODEL,
            *baseline,
            *((of_slice(name), pa.list_(pa.string())) for name in slices),
        ]
    )


evaluation_folder: ContextVar[str] = ContextVar("evaluation_folder")
"""Folder or address of the current evaluation. Defined outside the extractors' module, because TFX
loads that anew."""


Extracts = dict[str, Any]
"""A batch of images in TFMA: nested arrays `(batch, ...)` by name."""

# As Keras clips: a loss is never infinite.
_EPSILON = 1e-7


class UnknownFeatureError(Exception):
    """The records lack a feature that they were to be sliced on."""


class KeepAnswers(beam.PTransform):
    """Adds slicing features to TFMA's batches, and writes the answers.

    Must run after inference and before slicing.

    Args:
        evaluation: folder or address of the evaluation.
        models: names of the model and, if there is one, the baseline.
        slices: features to slice on, without the breed.
    """

    def __init__(self, evaluation: str, models: Sequence[str], slices: Sequence[str]) -> None:
        super().__init__()
        self._prefix = os.path.join(evaluation, ANSWERS_FOLDER, ANSWERS_FOLDER)
        self._models = tuple(models)
        self._slices = tuple(slices)

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """Returns the batches with the features added."""
        schema = answer_schema(self._slices, has_baseline=len(self._models) > 1)
        sliced = batches | "AddSliceFeatures" >> beam.Map(_with_slice_features, self._slices)
        _ = (
            sliced
            | "Answers" >> beam.Map(_answers, self._models, self._slices, schema)
            | "Write"
            >> beam.io.WriteToParquetBatched(
                self._prefix, schema=schema, file_name_suffix=ANSWERS_SUFFIX
            )
        )
        return sliced


def _with_slice_features(extracts: Extracts, slices: Sequence[str]) -> Extracts:
    """Returns a copy with the features `slices` added where they must be derived.

    Raises:
        UnknownFeatureError: a feature is neither in the records nor derivable from them.
    """
    features: dict[str, NDArray[Any]] = dict(extracts[tfma.FEATURES_KEY])
    for name in slices:
        try:
            if name in DERIVED and name not in features:
                features[name] = _derived(name, features, len(extracts[tfma.INPUT_KEY]))
            features[name]
        except KeyError as error:
            raise UnknownFeatureError(
                f"evaluator.slices: {name} needs a feature {error} that the records do not have; "
                f"{', '.join(DERIVED)} or a feature of the records will do."
            ) from None
    return {**extracts, tfma.FEATURES_KEY: features}


def _derived(name: str, features: Mapping[str, NDArray[Any]], batch_size: int) -> NDArray[Any]:
    """Derives a feature from the others: `(batch, 1)` bytes."""
    derive = DERIVED[name]
    values = [
        derive({key: column[place] for key, column in features.items()}).encode()
        for place in range(batch_size)
    ]
    return np.array(values, dtype=object).reshape(-1, 1)


def _answers(
    extracts: Extracts, models: Sequence[str], slices: Sequence[str], schema: pa.Schema
) -> pa.Table:
    features = extracts[tfma.FEATURES_KEY]
    labels = features[LABEL_KEY].reshape(-1)
    predictions = extracts[tfma.PREDICTIONS_KEY]
    columns: dict[str, Any] = {
        FILENAME: _words(features.get(FILENAME_KEY), len(labels)),
        LABEL: labels,
    }
    if len(models) == 1:
        columns |= _of_model(predictions, labels)
    else:
        model, baseline = models
        columns |= _of_model(predictions[model], labels)
        said = _of_model(predictions[baseline], labels)
        columns |= {of_baseline(name): column for name, column in said.items()}
    for name in slices:
        columns[of_slice(name)] = [_texts(values) for values in features[name]]
    return pa.table(columns, schema=schema)


def _of_model(
    answer: NDArray[Any] | Mapping[str, NDArray[Any]], labels: NDArray[Any]
) -> dict[str, Any]:
    """Computes a model's columns.

    Args:
        answer: the outputs of signature `evaluate`; TFMA hands an only one over without its name.
        labels: `(batch,)` int64.
    """
    known: Any = [None] * len(labels)
    if isinstance(answer, Mapping):
        probabilities, known = answer["probabilities"], answer[IS_KNOWN_OUTPUT].reshape(-1)
    else:
        probabilities = answer
    guesses = np.argsort(-probabilities, axis=1, kind="stable")[:, :NUM_GUESSES]
    truth = np.take_along_axis(probabilities, labels[:, None], axis=1)
    clipped = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    chosen = np.take_along_axis(clipped, labels[:, None], axis=1)[:, 0]
    return {
        GUESSES: list(guesses),
        GUESS_PROBABILITIES: list(np.take_along_axis(probabilities, guesses, axis=1)),
        TRUTH_PROBABILITY: truth[:, 0],
        NUM_BETTER: (probabilities > truth).sum(axis=1),
        # Keras makes the clipped probabilities sum to 1 again.
        CROSS_ENTROPY: np.log(clipped.sum(axis=1)) - np.log(chosen),
        IS_KNOWN: known,
    }


def _words(column: NDArray[Any] | None, batch_size: int) -> list[str]:
    if column is None:
        return [""] * batch_size
    return [", ".join(_texts(values)) for values in column]


def _texts(values: NDArray[Any]) -> list[str]:
    """Writes values as TFMA names slices after them."""
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in np.asarray(values).reshape(-1).tolist()
    ]
