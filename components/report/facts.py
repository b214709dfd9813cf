"""What a report says: every figure, picture and word in it, before it is laid out.

Shares lie between 0 and 1. Intervals are of 95 %. What a run does not have is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
class Verdict:
    """What became of the model."""

    blessed: bool
    """Whether every bound was kept."""
    pushed_version: str | None
    pushed_path: str | None
    headline: str
    """Such as `Blessed and pushed as version 1795286378`."""
    reasons: tuple[str, ...]
    """Whole sentences: why; for a refusal each missed bound and by how much; what a first run or a
    missing baseline means."""
    bounds: tuple[Bound, ...]


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


@dataclass(frozen=True)
class Picture:
    """An eval picture with its answer."""

    answer: Answer
    jpeg: bytes
    """At most 160 pixels along the longer side."""
    saliency: bytes | None = None
    """JPEG or PNG of the same size with what the network looked at laid over it (Grad-CAM)."""


@dataclass(frozen=True)
class ConfusedPair:
    """Two breeds that are taken for each other, in one direction."""

    truth: str
    named: str
    count: int
    share: float
    """Of the eval pictures of `truth`."""
    pictures: tuple[Picture, ...]
    """At most three."""


@dataclass(frozen=True)
class Gallery:
    """Pictures under a heading."""

    title: str
    meaning: str
    """One sentence: which pictures these are."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Epoch:
    """A row of the training's history; what was not measured is None."""

    epoch: int
    loss: float | None
    accuracy: float | None
    eval_loss: float | None
    eval_accuracy: float | None
    learning_rate: float | None
    seconds: float | None


@dataclass(frozen=True)
class ModelPicture:
    """A picture that the training left, such as its first-layer filters."""

    title: str
    alt: str
    media_type: str
    """`image/png` or `image/gif`."""
    data: bytes


@dataclass(frozen=True)
class Training:
    """How the model came to be."""

    network: str
    num_parameters: int | None
    epochs: tuple[Epoch, ...]
    pictures: tuple[ModelPicture, ...]


@dataclass(frozen=True)
class SplitCounts:
    """How many pictures a split has."""

    name: str
    num_examples: int
    by_breed: tuple[int, ...]
    """In label order."""


@dataclass(frozen=True)
class Histogram:
    """How a number such as the width in pixels is spread in a split."""

    feature: str
    """In words, such as `Height in pixels`."""
    split: str
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    """One fewer than edges."""
    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class Drift:
    """How far one feature of one split is from another's."""

    feature: str
    title: str
    measure: str
    """`L-infinity` or `Jensen-Shannon divergence`, as TFDV measures drift."""
    distance: float
    strongest: str
    """In words, where the two differ most."""


@dataclass(frozen=True)
class DriftTable:
    """Two sets of pictures beside each other."""

    title: str
    """Such as `Eval split against train split`, `Against what the served model learned from`."""
    rows: tuple[Drift, ...]


@dataclass(frozen=True)
class Data:
    """What the model learned from and was measured on."""

    breeds: tuple[str, ...]
    """In label order."""
    splits: tuple[SplitCounts, ...]
    histograms: tuple[Histogram, ...]
    drifts: tuple[DriftTable, ...]
    anomalies: tuple[str, ...]
    """What ExampleValidator found, in words."""


@dataclass(frozen=True)
class ArtifactRow:
    """An artifact that the report was made from."""

    name: str
    """Such as `Trainer.model`."""
    type_name: str
    id: str
    """As ML Metadata numbers it; empty where there is none."""
    uri: str


@dataclass(frozen=True)
class Provenance:
    """Where everything comes from, and how to do it again."""

    facts: tuple[tuple[str, str], ...]
    """Name and value: fingerprints, recipe, seed, versions, git commit."""
    artifacts: tuple[ArtifactRow, ...]
    configuration: str
    """YAML, as `dogbreed run --config` takes it."""
    commands: tuple[tuple[str, str], ...]
    """What it does, and what to type."""


@dataclass(frozen=True)
class ReportFacts:
    """Everything that a report says."""

    title: str
    """The pipeline's name."""
    created_at: str
    """UTC, ISO 8601, seconds."""
    verdict: Verdict
    evaluation: Evaluation
    training: Training
    data: Data
    provenance: Provenance
    pairs: tuple[ConfusedPair, ...] = ()
    """At most 30, the most frequent first."""
    galleries: tuple[Gallery, ...] = field(default=())
