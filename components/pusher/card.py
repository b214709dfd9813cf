"""Completes the model card with the evaluation, in markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.evaluator.results.bounds import REPORT_ONLY
from components.evaluator.results.values import (
    BASELINE_NAME,
    Bound,
    BreedRow,
    Evaluation,
    Interval,
    SliceRow,
)
from trainer.export.model_card import HOW_GOOD, UNTIL_PUSHED, markdown_table

_WEAKEST = 10  # breeds


def complete_card(card: str, evaluation: Evaluation, bounds: Sequence[Bound]) -> str:
    """Adds the evaluation and its bounds to the card that the Trainer wrote."""
    added = "\n".join(_sections(evaluation, bounds))
    return card.replace(f"{UNTIL_PUSHED}\n\n", "").replace(
        f"{HOW_GOOD}\n\n", f"{HOW_GOOD}\n\n{added}\n### While it was trained\n\n", 1
    )


def _sections(evaluation: Evaluation, bounds: Sequence[Bound]) -> Iterator[str]:
    yield from (
        "### On the eval split",
        "",
        f"As TensorFlow Model Analysis measured it over {evaluation.num_eval:,} pictures, before "
        "the push. Accuracies are shares. The intervals are of 95 %: Wilson's of shares, else by "
        f"the bootstrap. Naming {evaluation.majority.breed}, the most frequent breed, for every "
        f"picture has an accuracy of {_number(evaluation.majority.accuracy)}.",
        "",
        *_figures(evaluation),
        "",
    )
    if bounds:
        yield from ("### Bounds that it had to keep", "", *_bounds(bounds), "")
        if any(not bound.kept for bound in bounds):
            yield from (REPORT_ONLY, "")
    weakest = sorted(
        (row for row in evaluation.breeds if row.recall is not None and row.recall < 1),
        key=lambda row: (row.recall or 0.0, row.breed),
    )[:_WEAKEST]
    if weakest:
        yield from ("### Breeds that it knows least", "", *_breeds(weakest), "")
    if evaluation.slices:
        yield from ("### Parts of the eval split", "", *_slices(evaluation.slices), "")


def _figures(evaluation: Evaluation) -> list[str]:
    calibration = evaluation.calibration
    rows = [
        *(
            (each.title, each.value, each.interval, each.baseline, each.meaning)
            for each in evaluation.figures
        ),
        (
            "Expected calibration error",
            calibration.ece,
            calibration.ece_interval,
            calibration.baseline_ece,
            "How far probabilities are from the share of right answers.",
        ),
    ]
    return markdown_table(
        ("", "This model", "Interval", BASELINE_NAME.capitalize(), "Meaning"),
        [
            (title, _number(value), _interval(interval), _number(baseline), meaning)
            for title, value, interval, baseline, meaning in rows
        ],
    )


def _bounds(bounds: Sequence[Bound]) -> list[str]:
    return markdown_table(
        ("Bound", "Measured", "Must be", ""),
        [
            (
                bound.title,
                _number(bound.value),
                f"{'at least' if bound.at_least else 'at most'} {_number(bound.bound)}",
                "kept" if bound.kept else "missed",
            )
            for bound in bounds
        ],
    )


def _breeds(rows: Sequence[BreedRow]) -> list[str]:
    return markdown_table(
        ("Breed", "Accuracy", "Eval pictures", "Most often taken for"),
        [
            (row.breed, _number(row.recall), f"{row.num_eval:,}", row.confused_with or "")
            for row in rows
        ],
    )


def _slices(rows: Sequence[SliceRow]) -> list[str]:
    return markdown_table(
        ("Feature", "Value", "Accuracy", "Interval", "Eval pictures"),
        [
            (
                row.feature,
                row.value,
                _number(row.accuracy),
                _interval(row.interval),
                f"{row.num_eval:,}",
            )
            for row in rows
        ],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
