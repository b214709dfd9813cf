"""What the model said of each eval picture, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.evaluator.results.answer_table import ModelAnswers, read_answer_table
from components.report.facts import Answer


def read_answers(evaluation: Path | str, breeds: Sequence[str]) -> tuple[Answer, ...]:
    """Reads the answers, by file name.

    Args:
        evaluation: folder of the evaluation.
        breeds: names in label order.

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
