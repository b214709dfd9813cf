"""What an evaluation came to, as plain values: figures, bounds, tables, answers."""

from __future__ import annotations

from dataclasses import dataclass

BASELINE_NAME = "served model"
"""What the baseline is called wherever people read."""


@dataclass(frozen=True)
class Interval:
    """Between which values a figure lies in 95 of 100 cases.

    By the bootstrap, or by Wilson's formula for the share of a breed's or a slice's pictures.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One figure over the whole eval split."""

    name: str
    """As TFMA calls it, such as `top_5_accuracy`."""
    title: str
    """As people call it."""
    value: float
    interval: Interval | None
    baseline: float | None
    """The served model's; None on a first run."""
    baseline_interval: Interval | None
    higher_is_better: bool
    meaning: str
    """One sentence for readers who do not know it."""


@dataclass(frozen=True)
class Bound:
    """A bound that the model had to keep."""

    title: str
    """Such as `Accuracy`, `Accuracy of Affenpinscher`, `Drop against the served model`."""
    value: float | None
    """What was measured; None where there was nothing to measure."""
    bound: float
    at_least: bool
    """Whether the bound is a lower one."""
    kept: bool
    unit: str = ""
    """Such as `ms`; empty for shares."""

    @property
    def missed_by(self) -> float:
        """How far the value is on the wrong side; 0 where the bound was kept."""
        if self.kept or self.value is None:
            return 0.0
        return abs(self.bound - self.value)


@dataclass(frozen=True)
class BreedRow:
    """How well one breed is known."""

    breed: str
    num_train: int
    num_eval: int
    precision: float | None
    """None where the breed was never named."""
    recall: float | None
    """The accuracy within the breed; None without eval pictures."""
    interval: Interval | None
    """Of the recall."""
    baseline_recall: float | None
    confused_with: str | None
    """The breed most often named instead; None where there is none."""
    confused_count: int


@dataclass(frozen=True)
class SliceRow:
    """How good the model is on a part of the eval split."""

    feature: str
    """Such as `picture_size`."""
    value: str
    num_eval: int
    accuracy: float
    interval: Interval | None
    baseline_accuracy: float | None
    bound: float | None
    """Lower bound of the accuracy; None where there is none."""
    kept: bool


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix."""

    breeds: tuple[str, ...]
    """In label order."""
    counts: tuple[tuple[int, ...], ...]
    """`counts[truth][named]`, in label order."""
    order: tuple[int, ...]
    """Labels so ordered that breeds that are confused stand together."""


@dataclass(frozen=True)
class CalibrationBin:
    """Answers of like confidence."""

    low: float
    high: float
    confidence: float
    """Mean probability of the breed that was named."""
    accuracy: float
    """Share of them that was right."""
    count: int


@dataclass(frozen=True)
class Calibration:
    """Whether a probability says how often an answer is right."""

    bins: tuple[CalibrationBin, ...]
    """Those that hold answers, ascending."""
    ece: float
    """Expected calibration error: the mean distance of confidence and accuracy, weighted by
    counts (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    ece_interval: Interval | None
    baseline_ece: float | None


@dataclass(frozen=True)
class Evaluation:
    """How good the model is."""

    num_eval: int
    figures: tuple[Figure, ...]
    breeds: tuple[BreedRow, ...]
    """In label order."""
    slices: tuple[SliceRow, ...]
    confusion: Confusion
    calibration: Calibration


@dataclass(frozen=True)
class Answer:
    """What the model said of one eval picture, as TFMA's pass left it."""

    filename: str
    breed: str
    """The truth."""
    guesses: tuple[tuple[str, float], ...]
    """The most probable breeds with their probabilities, the first most."""
    truth_probability: float
    baseline_guess: tuple[str, float] | None
