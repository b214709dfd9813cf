"""What is done to pictures, and a model that does not stand it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from components.evaluator.picture_changes import CHANGES
from components.evaluator.results.bounds import miss_in_words, read_bounds
from components.evaluator.results.figures import share_interval
from components.evaluator.results.robustness import read_robustness
from components.evaluator.settings import EvaluatorConfig, MaxDrop
from tests.components.known_answers import evaluate_known


def _picture() -> Image.Image:
    """Red, with a fine pattern."""
    pattern = np.random.default_rng(0).integers(0, 100, (80, 120, 1))
    return Image.fromarray((np.array((150, 60, 20)) + pattern).astype(np.uint8))


def _sharpness(picture: NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(picture, axis=1)).mean())


def test_every_kind_changes_what_it_says_always_in_the_same_way() -> None:
    picture = _picture()
    files = {kind: change.encoded(picture) for kind, change in CHANGES.items()}
    opened = {kind: Image.open(io.BytesIO(file)) for kind, file in files.items()}
    pixels = {kind: np.asarray(each, np.float64) for kind, each in opened.items()}
    before = np.asarray(picture, np.float64)

    assert files == {kind: change.encoded(picture) for kind, change in CHANGES.items()}
    assert [*CHANGES] == [*MaxDrop.model_fields]
    assert {kind: each.size for kind, each in opened.items() if each.size != (120, 80)} == {
        "size": (30, 20)
    }
    np.testing.assert_allclose(pixels["rotation"][0, 0], 128, atol=8)
    assert _sharpness(pixels["blur"]) < 0.7 * _sharpness(before)
    assert len(files["jpeg"]) < 0.3 * len(files["rotation"])
    assert pixels["darkness"].mean() == pytest.approx(0.3 * before.mean(), rel=0.02)
    assert np.ptp(before, axis=2).min() > 100
    assert np.ptp(pixels["grey"], axis=2).max() <= 2
    assert pixels["grey"].mean() > 0.7 * before.mean()


def test_bounds_need_pictures_to_be_measured_on() -> None:
    settings = {"robustness": {"pictures": 0, "max_drop": {"blur": 0.1}}}
    with pytest.raises(ValueError, match="pictures is 0, but max_drop has a bound"):
        EvaluatorConfig.model_validate(settings)


_GREY_DROP = "accuracy drop (grey) 0.250 misses its bound 0.100 by 0.150"


@pytest.mark.slow
def test_a_model_that_does_not_stand_a_change_is_refused_in_words(tmp_path: Path) -> None:
    robustness = {"pictures": 50, "max_drop": {"grey": 0.1, "blur": 0.0}}

    evaluation, blessed = evaluate_known(
        tmp_path, has_baseline=False, min_error_reduction=None, robustness=robustness
    )

    assert not blessed
    bounds = read_bounds(evaluation)
    assert [(bound.title, bound.kept) for bound in bounds] == [
        ("Accuracy drop (blur)", True),
        ("Accuracy drop (grey)", False),
    ]
    assert miss_in_words(bounds[1]) == _GREY_DROP
    assert bounds[1].setting == "evaluator.robustness.max_drop.grey"
    read = read_robustness(evaluation)
    assert read is not None
    # It knows coloured Salukis, which are 5 of 20, and grey Pugs, which are 2.
    assert (read.num_pictures, read.accuracy) == (20, 7 / 20)
    measured = {each.kind: (each.accuracy, each.interval) for each in read.changes}
    expected = {kind: 2 if kind == "grey" else 7 for kind in CHANGES}
    assert measured == {
        kind: (right / 20, share_interval(right, 20)) for kind, right in expected.items()
    }


@pytest.mark.slow
def test_what_is_only_reported_refuses_nothing_and_a_sample_may_be_small_or_none(
    tmp_path: Path,
) -> None:
    robustness = {"pictures": 6, "max_drop": {"grey": 0.0}}

    few, blessed = evaluate_known(
        tmp_path / "few", has_baseline=False, report_only=True, robustness=robustness
    )
    none, _ = evaluate_known(tmp_path / "none", has_baseline=False, robustness={"pictures": 0})

    assert blessed
    read = read_robustness(few)
    assert read is not None
    assert read.num_pictures == 6
    assert read_robustness(none) is None
