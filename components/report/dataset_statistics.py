"""What the model learned from and was measured on, from TensorFlow Data Validation's output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.utils import io_utils

from components.example_validator import anomalies_in_words
from components.report.drift import FEATURE_TITLES, NamedStatistics, drift_table, numbers_in
from components.report.facts import Data, DriftTable, Histogram, SplitCounts
from foundation.versions import STATISTICS_DIR
from trainer.preprocessing.features import BREED_KEY

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
    """Reads the statistics of a run.

    Args:
        statistics_uri: StatisticsGen's output.
        schema_path: the schema in text form.
        anomalies_uri: ExampleValidator's output; None where it was not asked.
        breeds: names in label order.
        served_path: the served model, such as the one within `Baseline`'s output; None where there
            is none. It brings statistics of its own along if this package has pushed it.

    Returns:
        Counts, histograms, drift and anomalies. A breed beyond the 1,000 most frequent of a split
        counts as none, because TFDV keeps no more.
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


def _statistics_in(folder: Path) -> dict[str, NamedStatistics]:
    """Reads the statistics of every split, by its name."""
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
    """Reads the histogram of equally wide bars; there is none of a feature without values."""
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
