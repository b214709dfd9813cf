from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.evaluator.metrics import METRICS
from components.evaluator.results.answer_table import read_answer_table, read_answers
from components.evaluator.results.bounds import miss_in_words, read_bounds
from components.evaluator.results.calibration import gaps_by_bin
from components.evaluator.results.evaluation import read_evaluation
from components.evaluator.results.figures import mean_share_interval, share_interval
from components.evaluator.results.tables import confusion_order
from components.evaluator.results.values import Answer, Bound, Evaluation, MajorityClass
from tests.components.known_answers import BREEDS, PICTURES, evaluate_known

pytestmark = pytest.mark.slow

_TRAIN_COUNTS = (30, 31, 32, 33, 34, 35, 36)
# Worked out by hand: 14 of 20 right at 0.85, 5 torn with the truth at 0.25, 1 with the truth at 0.
_LOSS = (-14 * math.log(0.85) - 5 * math.log(0.25) - math.log(1e-7)) / 20
_LOSS_BEFORE = (-18 * math.log(0.85) - 2 * math.log(0.25)) / 20


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Held against a served model that is better, and against bounds that it misses."""
    evaluation, blessed = evaluate_known(
        tmp_path_factory.mktemp("compared"),
        has_baseline=True,
        min_error_reduction=0.65,
        min_accuracy=0.7,
        min_top_5_accuracy=0.97,
        min_balanced_accuracy=0.7,
        min_breed_accuracy=0.6,
        slices=("colour", "picture_size"),
        min_slice_accuracy=0.5,
        min_slice_pictures=3,
    )
    assert not blessed
    return evaluation


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a served model, and good enough."""
    evaluation, blessed = evaluate_known(
        tmp_path_factory.mktemp("first_run"),
        has_baseline=False,
        min_error_reduction=0.6,  # just what it comes to
        min_accuracy=0.7,
        min_top_5_accuracy=0.95,
        min_balanced_accuracy=119 / 180,  # just what it comes to
        min_breed_accuracy=0,
        slices=("source",),
        min_slice_accuracy=0.7,
    )
    assert blessed
    return evaluation


@pytest.fixture(scope="module")
def facts(compared: Path) -> Evaluation:
    return read_evaluation(compared, BREEDS, _TRAIN_COUNTS)


def test_figures_are_tfmas_and_those_worked_out_by_hand(compared: Path, facts: Evaluation) -> None:
    assert facts.num_eval == 20
    by_hand = {
        "accuracy": (0.7, 0.9),
        "top_5_accuracy": (0.95, 1.0),
        "loss": (_LOSS, _LOSS_BEFORE),
        # Of the six breeds with pictures.
        "balanced_accuracy": (
            (3 / 4 + 2 / 3 + 1 + 0 + 4 / 5 + 3 / 4) / 6,
            (1 + 1 + 1 + 0 + 1 + 1) / 6,
        ),
        # Naming Saluki for every picture is wrong of 15.
        "error_reduction": (1 - 6 / 15, 1 - 2 / 15),
    }
    assert [figure.name for figure in facts.figures] == list(by_hand)
    for figure in facts.figures:
        value, before = by_hand[figure.name]
        assert figure.value == pytest.approx(value, abs=1e-6)
        assert figure.baseline == pytest.approx(before, abs=1e-6)
        assert figure.value == _tfma_figures(compared, "candidate")[figure.name]
        assert figure.baseline == _tfma_figures(compared, "baseline")[figure.name]
        if figure.name != "error_reduction":
            assert figure.interval is not None
            assert figure.interval.low < figure.value < figure.interval.high
    assert facts.majority == MajorityClass("Saluki", 5 / 20)


def test_what_intervals_are_drawn_from_adds_up_to_tfmas_own_figures(
    compared: Path, facts: Evaluation
) -> None:
    table = read_answer_table(compared)
    assert table.baseline is not None
    for answers, model in ((table.model, "candidate"), (table.baseline, "baseline")):
        tfmas = _tfma_figures(compared, model)
        for metric in METRICS:
            if metric.per_picture is not None:
                values = metric.per_picture(answers)
                breeds = [values[table.labels == label].mean() for label in set(table.labels)]
                mean = np.mean(breeds if metric.mean_over_breeds else values)
                assert mean == pytest.approx(tfmas[metric.name], abs=1e-6)
    gaps = gaps_by_bin(table.model.guess_probabilities[:, 0], table.model.right)
    assert np.abs(gaps.mean(axis=1)).sum() == pytest.approx(facts.calibration.ece, abs=1e-6)


def test_an_interval_is_wilsons(facts: Evaluation) -> None:
    accuracy = facts.figures[0]
    assert accuracy.interval is not None
    # Of 14 in 20. A bootstrap gives 0.5 to 0.9.
    assert (accuracy.interval.low, accuracy.interval.high) == pytest.approx(
        (0.481, 0.855), abs=1e-3
    )


def test_an_interval_at_the_end_of_the_scale_has_a_width() -> None:
    labels = np.repeat(np.arange(7, dtype=np.int32), 16)

    every = share_interval(112, 112)
    balanced = mean_share_interval(np.ones(112), labels)

    assert every is not None
    assert (every.low, every.high) == pytest.approx((0.967, 1.0), abs=1e-3)
    # Of each breed 0.806 to 1; the seven are independent.
    assert (balanced.low, balanced.high) == pytest.approx((1 - 0.194 / 7**0.5, 1.0), abs=1e-3)
    nothing = mean_share_interval(np.zeros(112), labels)
    assert nothing.low == 0
    assert nothing.high == pytest.approx(1 - balanced.low)


def test_breeds_have_their_precision_and_recall(compared: Path, facts: Evaluation) -> None:
    rows = {row.breed: row for row in facts.breeds}

    assert tuple(rows) == BREEDS
    assert [row.num_train for row in facts.breeds] == list(_TRAIN_COUNTS)
    assert [row.num_eval for row in facts.breeds] == [4, 3, 2, 2, 5, 4, 0]
    assert [row.precision for row in facts.breeds] == [3 / 4, 2 / 3, 2 / 3, None, 4 / 5, 3 / 4, 0]
    assert [row.recall for row in facts.breeds] == [3 / 4, 2 / 3, 1, 0, 4 / 5, 3 / 4, None]
    assert [row.baseline_recall for row in facts.breeds] == [1, 1, 1, 0, 1, 1, None]
    confused = [(row.confused_with, row.confused_count) for row in facts.breeds]
    assert confused[:4] == [("Borzoi", 1), ("Basenji", 1), (None, 0), ("Husky", 1)]
    assert rows["Xolo"].interval is None
    assert rows["Husky"].interval == share_interval(2, 2)
    for breed, row in rows.items():
        if row.recall is not None:
            tfmas = _tfma_figures(compared, "candidate", ("image/class/text", breed))
            assert row.recall == pytest.approx(tfmas["accuracy"], abs=1e-6)
            assert row.num_eval == tfmas["example_count"]


def test_confusion_matrix_is_the_known_one(facts: Evaluation) -> None:
    counts = np.zeros((7, 7), int)
    for known in PICTURES:
        counts[known.truth, known.named] += 1

    assert facts.confusion.breeds == BREEDS
    assert np.array_equal(facts.confusion.counts, counts)
    order = facts.confusion.order
    assert sorted(order) == list(range(7))
    for one, other in ((0, 1), (4, 5)):  # each taken for the other
        assert abs(order.index(one) - order.index(other)) == 1


def test_accuracy_rises_as_less_is_answered(facts: Evaluation) -> None:
    sure, all_of_them = facts.calibration.kept

    assert (sure.threshold, sure.share, sure.accuracy) == pytest.approx((0.85, 0.7, 1))
    assert (all_of_them.threshold, all_of_them.share) == pytest.approx((0.55, 1))
    assert all_of_them.accuracy == pytest.approx(0.7)
    assert facts.calibration.known_share == pytest.approx(0.7)


def test_calibration_is_tfmas_over_the_breeds_that_were_named(facts: Evaluation) -> None:
    bins = [(each.low, each.high, each.count) for each in facts.calibration.bins]
    shares = [(each.confidence, each.accuracy) for each in facts.calibration.bins]

    assert bins == [(0.5, 0.6, 6), (0.8, 0.9, 14)]
    assert np.array(shares) == pytest.approx(np.array([(0.55, 0), (0.85, 1)]), abs=1e-6)
    assert facts.calibration.ece == pytest.approx(0.7 * 0.15 + 0.3 * 0.55, abs=1e-6)
    assert facts.calibration.baseline_ece == pytest.approx(0.9 * 0.15 + 0.1 * 0.55, abs=1e-6)
    assert facts.calibration.ece_interval is not None
    assert facts.calibration.ece_interval.low < 0.27 < facts.calibration.ece_interval.high


def test_slices_are_measured_and_held_to_their_bound_unless_they_are_too_small(
    compared: Path, facts: Evaluation
) -> None:
    rows = {(row.feature, row.value): row for row in facts.slices}

    assert list(rows) == [
        ("colour", "grey"),
        ("colour", "vivid"),
        ("picture_size", "medium"),
        ("picture_size", "small"),
    ]
    grey, vivid, medium, small = rows.values()
    assert (grey.num_eval, grey.accuracy, grey.bound, grey.kept) == (3, 0, 0.5, False)
    assert (small.num_eval, small.accuracy, small.bound, small.kept) == (2, 0, None, True)
    assert (vivid.num_eval, vivid.bound, vivid.kept) == (17, 0.5, True)
    assert vivid.accuracy == pytest.approx(14 / 17)
    assert grey.baseline_accuracy == pytest.approx(1 / 3)
    assert medium.accuracy == pytest.approx(14 / 18)
    for key, row in rows.items():
        assert row.accuracy == _tfma_figures(compared, "candidate", key)["accuracy"]


def test_each_missed_bound_is_listed_with_what_was_measured(compared: Path) -> None:
    bounds = read_bounds(compared)

    assert [miss_in_words(bound) for bound in bounds if not bound.kept] == [
        "accuracy is 0.200 lower than the served model's, 0.180 more than the 0.020 allowed",
        "accuracy of Pug 0.000 misses its bound 0.600 by 0.600",
        "top-5 accuracy 0.950 misses its bound 0.970 by 0.020",
        "balanced accuracy 0.661 misses its bound 0.700 by 0.039",
        "error reduction 0.600 misses its bound 0.650 by 0.050",
        "accuracy of colour grey 0.000 misses its bound 0.500 by 0.500",
    ]
    assert [bound.title for bound in bounds if bound.kept] == [
        "Accuracy",
        "Accuracy of the weakest picture_size, medium",
    ]


def test_first_run_has_no_comparison_and_names_what_is_nearest_to_a_bound(
    first_run: Path,
) -> None:
    facts = read_evaluation(first_run, BREEDS, _TRAIN_COUNTS)

    assert [figure.value for figure in facts.figures] == pytest.approx(
        [0.7, 0.95, _LOSS, 119 / 180, 0.6], abs=1e-6
    )
    assert all(figure.baseline is figure.baseline_interval is None for figure in facts.figures)
    assert all(row.baseline_recall is None for row in facts.breeds)
    assert facts.calibration.baseline_ece is None
    [kennel] = facts.slices
    assert (kennel.value, kennel.num_eval, kennel.baseline_accuracy) == ("kennel", 20, None)
    assert all(answer.baseline_guess is None for answer in read_answers(first_run, BREEDS))
    assert all(isinstance(bound, Bound) and bound.kept for bound in read_bounds(first_run))
    assert [(bound.title, bound.bound) for bound in read_bounds(first_run)] == [
        ("Accuracy", 0.7),
        ("Accuracy of the weakest breed, Pug", 0),
        ("Top-5 accuracy", 0.95),
        ("Balanced accuracy", 0.661111),
        ("Error reduction", 0.6),
        ("Accuracy of the weakest source, kennel", 0.7),
    ]


def test_what_is_only_reported_or_not_bounded_refuses_nothing(tmp_path: Path) -> None:
    reported, is_blessed = evaluate_known(
        tmp_path / "reported", has_baseline=True, min_error_reduction=0.65, report_only=True
    )
    assert is_blessed
    assert not any((tmp_path / "reported" / "blessing").glob("NOT_BLESSED"))
    assert [miss_in_words(bound) for bound in read_bounds(reported) if not bound.kept] == [
        "accuracy is 0.200 lower than the served model's, 0.180 more than the 0.020 allowed",
        "error reduction 0.600 misses its bound 0.650 by 0.050",
    ]

    unbounded, is_blessed = evaluate_known(
        tmp_path / "unbounded", has_baseline=False, min_error_reduction=None
    )
    assert is_blessed
    assert read_bounds(unbounded) == ()


def test_answers_are_those_of_the_same_pass_by_file_name(compared: Path) -> None:
    answers = read_answers(compared, BREEDS)

    assert [answer.filename for answer in answers] == sorted(
        f"kennel/{BREEDS[known.truth]}/{place:02}.jpg" for place, known in enumerate(PICTURES)
    )
    torn = next(answer for answer in answers if answer.filename == "kennel/Pug/10.jpg")
    assert _rounded(torn) == Answer(
        filename="kennel/Pug/10.jpg",
        breed="Pug",
        guesses=(
            ("Xolo", 0.55),
            ("Pug", 0.25),
            ("Basenji", 0.04),
            ("Borzoi", 0.04),
            ("Husky", 0.04),
        ),
        truth_probability=0.25,
        baseline_guess=("Husky", 0.55),
    )


def test_a_feature_that_nobody_knows_is_named_with_those_that_will_do(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"evaluator\.slices: camera .* picture_size, shape"):
        evaluate_known(tmp_path, has_baseline=False, slices=("camera",))


@pytest.mark.parametrize("num_breeds", [1, 2, 3])
def test_a_few_breeds_that_are_never_confused_have_an_order_too(num_breeds: int) -> None:
    order = confusion_order(np.eye(num_breeds, dtype=np.int64))

    assert sorted(order) == list(range(num_breeds))


def _tfma_figures(
    evaluation: Path, model: str, slice_key: tuple[str, str] | None = None
) -> dict[str, float]:
    """Reads figures as TFMA itself loads them."""
    result = tfma.load_eval_result(str(evaluation), model_name=model)
    by_slice = dict(result.slicing_metrics)
    figures = by_slice[(slice_key,) if slice_key else ()][""][""]
    return {name: value["doubleValue"] for name, value in figures.items() if "doubleValue" in value}


def _rounded(answer: Answer) -> Answer:
    return Answer(
        answer.filename,
        answer.breed,
        tuple((breed, round(probability, 6)) for breed, probability in answer.guesses),
        round(answer.truth_probability, 6),
        answer.baseline_guess and (answer.baseline_guess[0], round(answer.baseline_guess[1], 6)),
    )
