"""What a report says of the data: TFDV's own counts and distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.report.dataset_statistics import read_data
from foundation.versions import STATISTICS_DIR
from ingestion.schema import make_schema

pytestmark = pytest.mark.slow

BREEDS = ("Chow", "Dhole", "Pug")
TRAIN = [("Chow", 100)] * 5 + [("Dhole", 100)] * 3 + [("Pug", 100)] * 2
EVAL = [("Chow", 200), ("Dhole", 200), ("Pug", 200), ("Pug", 200)]


def _count(folder: Path, splits: Mapping[str, Sequence[tuple[str, int]]]) -> None:
    """Counts pictures `(breed, width)` and lays that out as StatisticsGen does."""
    for split, pictures in splits.items():
        frame = pd.DataFrame(pictures, columns=["image/class/text", "image/width"])
        statistics = tfdv.generate_statistics_from_dataframe(frame)
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(statistics.SerializeToString())


@pytest.fixture
def schema_path(tmp_path: Path) -> str:
    path = tmp_path / "schema.pbtxt"
    path.write_text(make_schema(BREEDS))
    return str(path)


def test_drift_is_what_hand_and_tfdv_say(tmp_path: Path, schema_path: str) -> None:
    _count(tmp_path / "statistics", {"eval": EVAL, "train": TRAIN})

    data = read_data(str(tmp_path / "statistics"), schema_path, None, BREEDS)

    [table] = data.drifts
    width, breed = table.rows  # the furthest first
    assert table.title == "Eval split against train split"
    # Shares of 0.25, 0.25, 0.5 against 0.5, 0.3, 0.2: Pug differs most.
    assert breed.distance == pytest.approx(0.3)
    assert (breed.title, breed.measure) == ("Breed", "L-infinity")
    assert breed.strongest == "Pug: 50.0 % of the eval split, 20.0 % of the train split"
    # Two histograms that have nothing in common are a bit apart.
    assert width.distance == pytest.approx(1)
    assert width.measure == "Jensen-Shannon divergence"
    assert width.strongest == "Median 200 in the eval split, 100 in the train split"


def test_counts_and_histograms_are_of_each_split(tmp_path: Path, schema_path: str) -> None:
    _count(tmp_path / "statistics", {"eval": [("Pug", 50), ("Pug", 150)], "train": TRAIN})

    data = read_data(str(tmp_path / "statistics"), schema_path, None, BREEDS)

    assert [(each.name, each.num_examples, each.by_breed) for each in data.splits] == [
        ("train", 10, (5, 3, 2)),
        ("eval", 2, (0, 0, 2)),
    ]
    flat, spread = data.histograms
    assert (flat.split, flat.edges, flat.counts) == ("train", (99.5, 100.5), pytest.approx((10,)))
    assert (spread.minimum, spread.maximum, spread.edges[0], spread.edges[-1]) == (50, 150, 50, 150)
    assert len(spread.edges) == len(spread.counts) + 1
    assert sum(spread.counts) == pytest.approx(2, abs=0.01)


def test_second_table_only_where_the_served_model_brought_its_statistics(
    tmp_path: Path, schema_path: str
) -> None:
    _count(tmp_path / "statistics", {"train": TRAIN})
    without, served = tmp_path / "old", tmp_path / "served"
    without.mkdir()
    _count(served / STATISTICS_DIR, {"train": [*TRAIN[:5], *TRAIN[:5]]})

    first_run, old, now = (
        read_data(str(tmp_path / "statistics"), schema_path, None, BREEDS, served_path=path)
        for path in (None, without, served)
    )

    assert first_run.drifts == old.drifts == ()
    [table] = now.drifts
    assert table.title == "Against what the served model learned from"
    breed = next(row for row in table.rows if row.title == "Breed")
    assert breed.distance == pytest.approx(0.5)
    assert breed.strongest == (
        "Chow: 50.0 % of the train split, 100.0 % of the served model's train split"
    )


def test_anomalies_are_in_words(tmp_path: Path, schema_path: str) -> None:
    _count(tmp_path / "statistics", {"train": TRAIN})
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["image/width"].description = "Values above 65500."
    (tmp_path / "anomalies" / "Split-train").mkdir(parents=True)
    (tmp_path / "anomalies" / "Split-train" / "SchemaDiff.pb").write_bytes(
        anomalies.SerializeToString()
    )

    data = read_data(str(tmp_path / "statistics"), schema_path, str(tmp_path / "anomalies"), BREEDS)

    assert data.anomalies == ("train split, image/width: Values above 65500",)
