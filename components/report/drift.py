"""How far two sets of pictures are from each other, as TensorFlow Data Validation measures it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.report.facts import Drift, DriftTable
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
    """What TFDV counted in a set of pictures."""

    name: str
    """In words, such as `eval split`."""
    statistics: statistics_pb2.DatasetFeatureStatisticsList
    """Of one data set."""

    @property
    def num_examples(self) -> int:
        """How many pictures were counted."""
        return int(self.statistics.datasets[0].num_examples)

    def feature(self, name: str) -> statistics_pb2.FeatureNameStatistics | None:
        """Finds what was counted of a feature."""
        for feature in self.statistics.datasets[0].features:
            if list(feature.path.step) == [name]:
                return feature
        return None

    def values(self, name: str) -> dict[str, float]:
        """How often each value of a feature of words occurs; of the 1,000 most frequent."""
        feature = self.feature(name)
        if feature is None:
            return {}
        buckets = feature.string_stats.rank_histogram.buckets
        return {bucket.label: bucket.sample_count for bucket in buckets}


def drift_table(
    title: str, now: NamedStatistics, before: NamedStatistics, schema: schema_pb2.Schema
) -> DriftTable:
    """Measures how far each feature has moved; the furthest comes first.

    Words with a domain, such as the breed, are measured by L-infinity: the largest difference of
    any value's share. Numbers are measured by the Jensen-Shannon divergence of their histograms, in
    bits: 0 for equal ones, 1 for those that have nothing in common.

    Args:
        title: heading of the table.
        now: what is looked at.
        before: what it is held against.
        schema: says which features are words and which are numbers.

    Returns:
        A row for each such feature that both have; none where one set is empty.
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
    """Lists the features that measure something, unlike the label, which counts breeds off."""
    for feature in schema.feature:
        is_number = feature.type in (schema_pb2.INT, schema_pb2.FLOAT)
        if is_number and feature.name != LABEL_KEY and not feature.int_domain.is_categorical:
            yield feature.name


def _with_comparators(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Makes a schema by which TFDV measures every feature; whatever it finds is above 0."""
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
