"""What a model is held to on any pictures, and what is said to do where it falls short."""

from __future__ import annotations

import pytest

from components.evaluator.metrics import error_reduction
from components.evaluator.results.next_steps import next_steps
from components.evaluator.results.values import Bound, BreedRow

_ACCURACY = Bound("Accuracy", 0.4, 0.5, True, kept=False, setting="evaluator.min_accuracy")
_PUG = Bound("Accuracy of Pug", 0.1, 0.5, True, kept=False, setting="evaluator.min_breed_accuracy")


def _row(breed: str, num_train: int, recall: float | None) -> BreedRow:
    return BreedRow(breed, num_train, 10, None, recall, None, None, None, 0)


_BREEDS = [
    _row("Basenji", 12, 0.9),
    _row("Borzoi", 300, 0.0),
    _row("Husky", 0, 0.0),
    _row("Pug", 12, 0.1),
    _row("Saluki", 40, 0.3),
    _row("Whippet", 12, None),
    _row("Xolo", 90, 1.0),
]


@pytest.mark.parametrize(
    ("confusion", "expected"),
    [
        # Two breeds of 50 each: half of the majority class's 50 errors.
        ({(0, 0): 40, (0, 1): 10, (1, 1): 35, (1, 0): 15}, 0.5),
        # 90 of one breed: an accuracy of 0.9 that is no better than naming it every time.
        ({(0, 0): 90, (1, 0): 10}, 0.0),
        ({(0, 1): 90, (1, 1): 10}, -8.0),
        ({(0, 0): 7, (1, 1): 3}, 1.0),
        ({(0, 0): 7}, 1.0),
        ({(0, 0): 6, (0, 1): 1}, 0.0),
    ],
)
def test_errors_are_counted_against_those_of_the_majority_class(
    confusion: dict[tuple[int, int], float], expected: float
) -> None:
    assert error_reduction(confusion) == pytest.approx(expected)


def test_refusal_names_the_most_promising_step_first() -> None:
    assert next_steps([_ACCURACY, _PUG, _PUG], _BREEDS, "residual", served_badly=False) == (
        "Begin with a backbone that has learned from ImageNet: --config transfer.",
        "More pictures of Pug (12 for training, recall 0.10); Saluki (40 for training, recall "
        "0.30).",
        "Only then the bound: evaluator.min_accuracy, evaluator.min_breed_accuracy.",
    )


def test_transfer_is_not_advised_twice_nor_pictures_where_there_are_enough() -> None:
    breeds = [_row("Pug", 500, 0.1), _row("Xolo", 500, 0.9)]

    assert next_steps([_ACCURACY], breeds, "transfer", served_badly=False) == (
        "Only then the bound: evaluator.min_accuracy.",
    )


def test_what_the_canary_refused_is_tried_again() -> None:
    assert next_steps([], _BREEDS, "residual", served_badly=True) == (
        "Run again: the canary tries the same model once more.",
    )
