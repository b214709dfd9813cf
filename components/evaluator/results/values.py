"""Typed results of an evaluation: figures, bounds, tables, answers."""

from __future__ import annotations

from dataclasses import dataclass

BASELINE_NAME = "served model"


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval.

    Wilson's of fractions, which has a width at 0 and 1 too; else by the bootstrap.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One metric over the whole eval split."""

    name: str
    """TFMA's, such as `top_5_accuracy`."""
    title: str
    value: float
    interval: Interval | None
    baseline: float | None
    """The served model's; None on a first run."""
    baseline_interval: Interval | None
    higher_is_better: bool
    meaning: str


@dataclass(frozen=True)
class Bound:
    """A bound that the model had to keep."""

    title: str
    """Such as `Accuracy`, `Accuracy of Affenpinscher`, `Drop against the served model`."""
    value: float | None
    """The measured value; None where there was nothing to measure."""
    bound: float
    at_least: bool
    kept: bool
    unit: str = ""
    """Such as `ms`; empty for fractions."""
    setting: str = ""
    """Its dotted key, such as `evaluator.min_accuracy`."""

    @property
    def missed_by(self) -> float:
        """How far the value is beyond the bound; 0 where the bound was kept."""
        if self.kept or self.value is None:
            return 0.0
        return abs(self.bound - self.value)


@dataclass(frozen=True)
class MajorityClass:
    """The most frequent breed of the eval split: the classifier that a model must beat."""

    breed: str
    accuracy: float
    """Of naming it for every picture: its share of the eval split, never less than chance."""


@dataclass(frozen=True)
class BreedRow:
    """Results of one breed."""

    breed: str
    num_train: int
    num_eval: int
    precision: float | None
    """None where the breed was never predicted."""
    recall: float | None
    """The accuracy within the breed; None without eval images."""
    interval: Interval | None
    """Of the recall."""
    baseline_recall: float | None
    confused_with: str | None
    """The breed most often predicted instead, if any."""
    confused_count: int


@dataclass(frozen=True)
class SliceRow:
    """Results within a slice of the eval split."""

    feature: str
    value: str
    num_eval: int
    accuracy: float
    interval: Interval | None
    baseline_accuracy: float | None
    bound: float | None
    """Lower bound of the accuracy, if any."""
    kept: bool


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix."""

    breeds: tuple[str, ...]
    """In label order."""
    counts: tuple[tuple[int, ...], ...]
    """`counts[true][predicted]`, in label order."""
    order: tuple[int, ...]
    """Labels in an order in which confused breeds are adjacent."""


@dataclass(frozen=True)
class CalibrationBin:
    """Answers of similar confidence."""

    low: float
    high: float
    confidence: float
    """Mean top-1 probability."""
    accuracy: float
    """Fraction of them that is correct."""
    count: int


@dataclass(frozen=True)
class Kept:
    """The answers that are left where those below a probability are not given."""

    threshold: float
    """The least top-1 probability."""
    share: float
    """Fraction of the eval images that are left."""
    accuracy: float
    """Fraction of these that is correct."""


@dataclass(frozen=True)
class Calibration:
    """Whether the model's probabilities can be relied on, and what it gains to be choosy."""

    bins: tuple[CalibrationBin, ...]
    """Non-empty bins, ascending."""
    ece: float
    """Expected calibration error: the mean distance of confidence and accuracy, weighted by counts
    (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    ece_interval: Interval | None
    baseline_ece: float | None
    kept: tuple[Kept, ...] = ()
    """From the highest threshold, which leaves fewest images, to none."""
    known_share: float | None = None
    """Fraction of the eval images that the model knows; None where it does not say."""


@dataclass(frozen=True)
class Changed:
    """Results on the sample changed in one way."""

    kind: str
    """Such as `rotation`."""
    title: str
    """In words, with its strength."""
    accuracy: float
    interval: Interval | None
    drop: float
    """How much lower the accuracy is than on the same images as they are."""
    max_drop: float | None
    """Upper bound of the drop, if any."""
    kept: bool


@dataclass(frozen=True)
class Robustness:
    """Accuracy on a sample of the eval images, as they are and changed."""

    num_pictures: int
    accuracy: float
    """On the sample as it is."""
    interval: Interval | None
    changes: tuple[Changed, ...]


@dataclass(frozen=True)
class Evaluation:
    """All results of the Evaluator."""

    num_eval: int
    majority: MajorityClass
    figures: tuple[Figure, ...]
    breeds: tuple[BreedRow, ...]
    """In label order."""
    slices: tuple[SliceRow, ...]
    confusion: Confusion
    calibration: Calibration
    robustness: Robustness | None = None
    """None where it was not measured."""


@dataclass(frozen=True)
class Answer:
    """The model's answer to one eval image."""

    filename: str
    breed: str
    guesses: tuple[tuple[str, float], ...]
    """Top-k breeds with their probabilities, the most probable first."""
    truth_probability: float
    baseline_guess: tuple[str, float] | None
