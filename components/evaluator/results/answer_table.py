"""Reads the answers to the eval images as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.evaluator.answer_columns import (
    ANSWERS_FOLDER,
    CROSS_ENTROPY,
    FILENAME,
    GUESS_PROBABILITIES,
    GUESSES,
    IS_KNOWN,
    LABEL,
    NUM_BETTER,
    TRUTH_PROBABILITY,
    of_baseline,
)
from components.evaluator.results.values import Answer

_BEST_OF = 5


@dataclass(frozen=True)
class ModelAnswers:
    """One model's answers to `n` images."""

    guesses: NDArray[np.int32]
    """`(n, k)`: top-k labels, the most probable first."""
    guess_probabilities: NDArray[np.float32]
    """`(n, k)`."""
    truth_probability: NDArray[np.float32]
    """`(n,)`."""
    right: NDArray[np.float64]
    """`(n,)`: 1 where the top-1 label is correct, else 0."""
    in_top_5: NDArray[np.float64]
    """`(n,)`: 1 where fewer than five labels are more probable than the true one, else 0."""
    cross_entropy: NDArray[np.float64]
    """`(n,)`, in nats."""
    is_known: NDArray[np.bool_] | None = None
    """`(n,)`; None where the model does not say."""


@dataclass(frozen=True)
class AnswerTable:
    """The answers to the `n` eval images, sorted by file name."""

    filenames: tuple[str, ...]
    labels: NDArray[np.int32]
    """`(n,)`: true labels."""
    model: ModelAnswers
    baseline: ModelAnswers | None


def read_answer_table(evaluation: Path | str) -> AnswerTable:
    """Reads the answers of an evaluation, in an order independent of how many processes wrote them.

    Raises:
        FileNotFoundError: there are no answers.
    """
    table = pq.read_table(str(Path(evaluation, ANSWERS_FOLDER)))
    table = table.sort_by([(name, "ascending") for name in (FILENAME, LABEL, TRUTH_PROBABILITY)])
    has_baseline = of_baseline(GUESSES) in table.column_names
    return AnswerTable(
        filenames=tuple(table[FILENAME].to_pylist()),
        labels=table[LABEL].to_numpy(),
        model=_model_answers(table, ""),
        baseline=_model_answers(table, of_baseline("")) if has_baseline else None,
    )


def _model_answers(table: pa.Table, prefix: str) -> ModelAnswers:
    def values(name: str) -> NDArray[np.generic]:
        array: NDArray[np.generic] = table[prefix + name].to_numpy()
        return array

    def lists(name: str) -> NDArray[np.generic]:
        column = table[prefix + name].combine_chunks()
        flat: NDArray[np.generic] = column.flatten().to_numpy()
        return flat.reshape(len(table), -1)

    # An earlier version did not keep it.
    kept = prefix + IS_KNOWN in table.column_names
    says_what_it_knows = kept and not table[prefix + IS_KNOWN].null_count
    guesses = lists(GUESSES).astype(np.int32)
    return ModelAnswers(
        guesses=guesses,
        guess_probabilities=lists(GUESS_PROBABILITIES).astype(np.float32),
        truth_probability=values(TRUTH_PROBABILITY).astype(np.float32),
        right=(guesses[:, 0] == table[LABEL].to_numpy()).astype(np.float64),
        in_top_5=(values(NUM_BETTER).astype(np.int32) < _BEST_OF).astype(np.float64),
        cross_entropy=values(CROSS_ENTROPY).astype(np.float64),
        is_known=values(IS_KNOWN).astype(np.bool_) if says_what_it_knows else None,
    )


def read_answers(evaluation: Path | str, breeds: Sequence[str]) -> tuple[Answer, ...]:
    """Reads the answers of an evaluation, sorted by file name, with `breeds` in label order.

    Raises:
        FileNotFoundError: there are no answers.
    """
    table = read_answer_table(evaluation)
    guesses = _in_words(table.model, breeds)
    baseline = _in_words(table.baseline, breeds) if table.baseline is not None else None
    truths = table.model.truth_probability.tolist()
    return tuple(
        Answer(
            filename=filename,
            breed=breeds[label],
            guesses=guesses[place],
            truth_probability=truths[place],
            baseline_guess=baseline[place][0] if baseline is not None else None,
        )
        for place, (filename, label) in enumerate(
            zip(table.filenames, table.labels.tolist(), strict=True)
        )
    )


def _in_words(answers: ModelAnswers, breeds: Sequence[str]) -> list[tuple[tuple[str, float], ...]]:
    return [
        tuple(
            (breeds[label], probability)
            for label, probability in zip(labels, probabilities, strict=True)
        )
        for labels, probabilities in zip(
            answers.guesses.tolist(), answers.guess_probabilities.tolist(), strict=True
        )
    ]
