"""Reads TensorFlow Data Validation's statistics of the train and eval data, and measures drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.utils import io_utils

from components.example_validator import anomalies_in_words
from components.report.facts import Data, Drift, DriftTable, Histogram, SplitCounts
from foundation.versions import STATISTICS_DIR
from trainer.preprocessing.features import BREED_KEY, LABEL_KEY

FEATURE_TITLES = {
    BREED_KEY: "Breed",
    "image/format": "File format",
    "image/height": "Height in pixels",
    "image/width": "Width in pixels",
}
"""What features are called where people read."""
_MEASURES = {
    anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: "L-infinity",
    anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: "Jensen-Shannon divergence",
}


@dataclass(frozen=True)
class NamedStatistics:
    """TFDV's statistics of a set of images."""

    name: str
    """For people, such as `eval split`."""
    statistics: statistics_pb2.DatasetFeatureStatisticsList

    @property
    def num_examples(self) -> int:
        """Number of images."""
        return int(self.statistics.datasets[0].num_examples)

    def feature(self, name: str) -> statistics_pb2.FeatureNameStatistics | None:
        """Finds a feature's statistics."""
        for feature in self.statistics.datasets[0].features:
            if list(feature.path.step) == [name]:
                return feature
        return None

    def values(self, name: str) -> dict[str, float]:
        """Returns the counts of a string feature's values, of the 1,000 most frequent."""
        feature = self.feature(name)
        if feature is None:
            return {}
        buckets = feature.string_stats.rank_histogram.buckets
        return {bucket.label: bucket.sample_count for bucket in buckets}


def drift_table(
    title: str, now: NamedStatistics, before: NamedStatistics, schema: schema_pb2.Schema
) -> DriftTable:
    """Measures how much each feature has drifted; the largest drift comes first.

    Strings with a domain, such as the breed, are measured by L-infinity: the largest difference of
    any value's fraction. Numbers are measured by the Jensen-Shannon divergence of their histograms,
    in bits: 0 for equal ones, 1 for disjoint ones. Without examples there is no row.
    """
    if not (now.num_examples and before.num_examples):
        return DriftTable(title, ())
    anomalies = tfdv.validate_statistics(
        now.statistics, _with_comparators(schema), previous_statistics=before.statistics
    )
    rows = [
        Drift(
            feature=info.path.step[0],
            title=FEATURE_TITLES.get(info.path.step[0], info.path.step[0]),
            measure=_MEASURES[measured.type],
            distance=measured.value,
            strongest=_strongest(info.path.step[0], now, before),
        )
        for info in anomalies.drift_skew_info
        for measured in info.drift_measurements
    ]
    return DriftTable(title, tuple(sorted(rows, key=lambda row: -row.distance)))


def numbers_in(schema: schema_pb2.Schema) -> Iterator[str]:
    """Lists the numeric features, without the label."""
    for feature in schema.feature:
        is_number = feature.type in (schema_pb2.INT, schema_pb2.FLOAT)
        if is_number and feature.name != LABEL_KEY and not feature.int_domain.is_categorical:
            yield feature.name


def _with_comparators(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns a schema by which TFDV measures the drift of every feature: thresholds are 0."""
    numbers = set(numbers_in(schema))
    comparing = schema_pb2.Schema()
    for feature in schema.feature:
        if feature.name in numbers:
            added = comparing.feature.add(name=feature.name, type=feature.type)
            added.drift_comparator.jensen_shannon_divergence.threshold = 0
        elif feature.domain or feature.HasField("string_domain"):
            added = comparing.feature.add(name=feature.name, type=feature.type)
            added.drift_comparator.infinity_norm.threshold = 0
    return comparing


def _strongest(name: str, now: NamedStatistics, before: NamedStatistics) -> str:
    shares, shares_before = _shares(now.values(name)), _shares(before.values(name))
    if not shares:
        return _medians(name, now, before)

    def difference(value: str) -> float:
        return abs(shares.get(value, 0) - shares_before.get(value, 0))

    value = max(sorted({*shares, *shares_before}), key=difference)
    if not difference(value):
        return "No difference"
    return (
        f"{value}: {_percent(shares.get(value, 0))} of the {now.name}, "
        f"{_percent(shares_before.get(value, 0))} of the {before.name}"
    )


def _medians(name: str, now: NamedStatistics, before: NamedStatistics) -> str:
    feature, feature_before = now.feature(name), before.feature(name)
    if feature is None or feature_before is None:
        return ""
    return (
        f"Median {feature.num_stats.median:,.6g} in the {now.name}, "
        f"{feature_before.num_stats.median:,.6g} in the {before.name}"
    )


def _shares(counts: dict[str, float]) -> dict[str, float]:
    total = sum(counts.values())
    return {value: count / total for value, count in counts.items()} if total else {}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


_SPLIT_PREFIX = "Split-"
_ORDER = ("train", "eval")  # before any other
_HALF = 0.5  # of a histogram's only bar, where all values are the same


def read_data(
    statistics_uri: str,
    schema_path: str,
    anomalies_uri: str | None,
    breeds: Sequence[str],
    *,
    served_path: Path | None = None,
) -> Data:
    """Reads a run's counts, histograms, drift and anomalies.

    A breed beyond the 1,000 most frequent of a split counts 0, because TFDV keeps no more.

    Args:
        statistics_uri: StatisticsGen's output.
        schema_path: the schema in text form.
        anomalies_uri: ExampleValidator's output, if any.
        breeds: names in label order.
        served_path: the served model, if any, which contains statistics if this package pushed it.
    """
    splits = _statistics_in(Path(statistics_uri))
    schema = io_utils.parse_pbtxt_file(schema_path, schema_pb2.Schema())
    return Data(
        breeds=tuple(breeds),
        splits=tuple(_counts(name, named, breeds) for name, named in splits.items()),
        histograms=tuple(
            histogram
            for feature in numbers_in(schema)
            for name, named in splits.items()
            for histogram in _histogram(feature, name, named)
        ),
        drifts=tuple(_drifts(splits, schema, served_path)),
        anomalies=tuple(_anomalies(Path(anomalies_uri))) if anomalies_uri else (),
    )


def train_counts(statistics_uri: str, breeds: Sequence[str]) -> tuple[int, ...]:
    """Reads how many images of each breed the train split has, in label order; 0 where unknown."""
    splits = _statistics_in(Path(statistics_uri))
    if "train" not in splits:
        return (0,) * len(breeds)
    return _counts("train", splits["train"], breeds).by_breed


def _statistics_in(folder: Path) -> dict[str, NamedStatistics]:
    names = [path.name.removeprefix(_SPLIT_PREFIX) for path in folder.glob(f"{_SPLIT_PREFIX}*")]
    names.sort(key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    return {
        name: NamedStatistics(
            f"{name} split",
            tfdv.load_stats_binary(str(folder / f"{_SPLIT_PREFIX}{name}" / "FeatureStats.pb")),
        )
        for name in names
    }


def _counts(name: str, named: NamedStatistics, breeds: Sequence[str]) -> SplitCounts:
    counts = named.values(BREED_KEY)
    return SplitCounts(
        name=name,
        num_examples=named.num_examples,
        by_breed=tuple(round(counts.get(breed, 0)) for breed in breeds),
    )


def _histogram(feature: str, split: str, named: NamedStatistics) -> Iterator[Histogram]:
    """Yields the histogram of equally wide bins; none of a feature without values."""
    found = named.feature(feature)
    if found is None:
        return
    numbers = found.num_stats
    for histogram in numbers.histograms:
        if histogram.type == statistics_pb2.Histogram.STANDARD and histogram.buckets:
            edges = [
                histogram.buckets[0].low_value,
                *(each.high_value for each in histogram.buckets),
            ]
            if edges[0] == edges[-1]:
                edges = [edges[0] - _HALF, edges[0] + _HALF]
            yield Histogram(
                feature=FEATURE_TITLES.get(feature, feature),
                split=split,
                edges=tuple(edges),
                counts=tuple(bucket.sample_count for bucket in histogram.buckets),
                minimum=numbers.min,
                median=numbers.median,
                maximum=numbers.max,
            )


def _drifts(
    splits: dict[str, NamedStatistics], schema: schema_pb2.Schema, served_path: Path | None
) -> Iterator[DriftTable]:
    if "train" not in splits:
        return
    if "eval" in splits:
        yield drift_table("Eval split against train split", splits["eval"], splits["train"], schema)
    served = _statistics_in(served_path / STATISTICS_DIR) if served_path else {}
    if "train" in served:
        yield drift_table(
            "Against what the served model learned from",
            splits["train"],
            NamedStatistics("served model's train split", served["train"].statistics),
            schema,
        )


def _anomalies(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob(f"{_SPLIT_PREFIX}*")):
        for text in anomalies_in_words(path):
            yield f"{path.name.removeprefix(_SPLIT_PREFIX)} split, {text}"
