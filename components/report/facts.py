"""Typed facts of a report: every figure, image and word in it, before layout.

Fractions lie between 0 and 1. Intervals are of 95 %. What a run does not have is None or empty.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from dataclasses import dataclass, field
from typing import Any

from components.evaluator.results.values import Answer, Bound, Evaluation
from trainer.training.history import Epoch


@dataclass(frozen=True)
class Verdict:
    """Whether the model was blessed and pushed, and why."""

    blessed: bool
    pushed_version: str | None
    pushed_path: str | None
    headline: str
    """Such as `Blessed and pushed as version 1795286378`."""
    reasons: tuple[str, ...]
    """Whole sentences: why; each missed bound and by how much; what a first run or a missing
    baseline means."""
    bounds: tuple[Bound, ...]
    next_steps: tuple[str, ...] = ()
    """Whole sentences: what to do about a refused model."""


@dataclass(frozen=True)
class Picture:
    """An eval image with the model's answer."""

    answer: Answer
    jpeg: bytes
    """At most 160 pixels along the longer side."""
    saliency: bytes | None = None
    """JPEG or PNG of the same size with the Grad-CAM heat map laid over it."""


@dataclass(frozen=True)
class ConfusedPair:
    """A true breed, and a breed that is predicted instead of it."""

    truth: str
    named: str
    count: int
    share: float
    """Fraction of the eval images of `truth`."""
    pictures: tuple[Picture, ...]
    """At most three."""


@dataclass(frozen=True)
class Gallery:
    """Images under a heading."""

    title: str
    meaning: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class ModelPicture:
    """An image that the training wrote, such as its first-layer filters."""

    title: str
    alt: str
    media_type: str
    """`image/png` or `image/gif`."""
    data: bytes


@dataclass(frozen=True)
class Training:
    """The settings and curves of the training."""

    network: str
    num_parameters: int | None
    epochs: tuple[Epoch, ...]
    pictures: tuple[ModelPicture, ...]
    pretrained: bool = False
    """Whether it began with a backbone that had been trained on other pictures."""

    @property
    def epoch_seconds(self) -> tuple[float, ...]:
        """Duration of each epoch."""
        ends = [0.0, *(epoch.elapsed_s for epoch in self.epochs)]
        return tuple(end - start for start, end in itertools.pairwise(ends))


@dataclass(frozen=True)
class SplitCounts:
    """How many images a split has."""

    name: str
    num_examples: int
    by_breed: tuple[int, ...]
    """In label order."""


@dataclass(frozen=True)
class Histogram:
    """Distribution of a number such as the width in pixels in a split."""

    feature: str
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
    """TFDV's: `L-infinity` or `Jensen-Shannon divergence`."""
    distance: float
    strongest: str
    """In words, where the two differ most."""


@dataclass(frozen=True)
class DriftTable:
    """Drift between two sets of images."""

    title: str
    rows: tuple[Drift, ...]


@dataclass(frozen=True)
class FoundFile:
    """An image file about which the conversion found something."""

    name: str
    """As in the records."""
    breed: str
    """Empty if it has none."""
    detail: str


@dataclass(frozen=True)
class Finding:
    """A kind of problem with the images."""

    name: str
    """As in audit.csv, or `rejected`."""
    meaning: str
    count: int
    files: tuple[FoundFile, ...]
    """The first few."""


@dataclass(frozen=True)
class Audit:
    """What the conversion found odd about the images."""

    findings: tuple[Finding, ...]
    left_out: tuple[tuple[str, int], ...]
    """Breeds too small to be split, and their number of images."""
    tables: tuple[str, ...]
    """Paths of the CSV files that name every file."""


@dataclass(frozen=True)
class Data:
    """The train and eval data."""

    breeds: tuple[str, ...]
    """In label order."""
    splits: tuple[SplitCounts, ...]
    histograms: tuple[Histogram, ...]
    drifts: tuple[DriftTable, ...]
    anomalies: tuple[str, ...]
    decisions: str = ""
    """What people decided about single images, in words; empty where nobody did."""
    audit: Audit | None = None
    """None where the records are out of reach, as on a cluster."""


@dataclass(frozen=True)
class ArtifactRow:
    """An artifact that the report was made from."""

    name: str
    type_name: str
    id: str
    """ML Metadata's, if any."""
    uri: str


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, and how to reproduce it."""

    facts: tuple[tuple[str, str], ...]
    """Name and value: fingerprints, recipe, seed, versions, git commit."""
    artifacts: tuple[ArtifactRow, ...]
    configuration: str
    """YAML, as `dogbreed run --config` takes it."""
    commands: tuple[tuple[str, str], ...]
    """What it does, and the command line."""


@dataclass(frozen=True)
class ReportFacts:
    """All facts of a report."""

    title: str
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


FORMAT = 1
"""Version of the JSON format; it changes when keys change."""


def facts_json(facts: ReportFacts) -> str:
    """Writes the facts as JSON."""
    verdict = dataclasses.asdict(facts.verdict)
    for bound, written in zip(facts.verdict.bounds, verdict["bounds"], strict=True):
        written["missed_by"] = bound.missed_by
    evaluation = dataclasses.asdict(facts.evaluation)
    written_facts: dict[str, Any] = {
        "format": FORMAT,
        "title": facts.title,
        "created_at": facts.created_at,
        "verdict": verdict,
        "num_eval": evaluation["num_eval"],
        "majority_class": evaluation["majority"],
        "figures": {each.pop("name"): each for each in evaluation["figures"]},
        "breeds": evaluation["breeds"],
        "slices": evaluation["slices"],
        "confusion": evaluation["confusion"],
        "calibration": evaluation["calibration"],
        "robustness": evaluation["robustness"],
        "training": {
            "network": facts.training.network,
            "num_parameters": facts.training.num_parameters,
            "epochs": [
                {
                    "epoch": epoch.epoch,
                    "loss": epoch.loss,
                    "accuracy": epoch.accuracy,
                    "eval_loss": epoch.val_loss,
                    "eval_accuracy": epoch.val_accuracy,
                    "learning_rate": epoch.learning_rate,
                    "seconds": seconds,
                }
                for epoch, seconds in zip(
                    facts.training.epochs, facts.training.epoch_seconds, strict=True
                )
            ],
        },
        "data": dataclasses.asdict(facts.data),
        "provenance": {
            **dataclasses.asdict(facts.provenance),
            "facts": dict(facts.provenance.facts),
            "commands": dict(facts.provenance.commands),
        },
        "pairs": [
            {"truth": pair.truth, "named": pair.named, "count": pair.count, "share": pair.share}
            for pair in facts.pairs
        ],
    }
    return json.dumps(finite(written_facts), indent=1, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Replaces non-finite numbers, which JSON lacks, with None."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
