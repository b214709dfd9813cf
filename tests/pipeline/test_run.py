"""The real pipeline on tiny records: what runs again, what is pushed, what is refused."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from PIL import Image
from rich.console import Console

from components.evaluator.picture_changes import CHANGES
from components.report.component import CONFIGURATION_FILE, RunClassification, RunMetrics
from foundation.errors import UserError
from foundation.names import FACTS_FILE
from foundation.versions import list_versions
from ingestion.conversion import convert
from ingestion.dataset import Dataset, load_dataset
from ingestion.options import ConvertOptions
from ingestion.records import decode_example, read_records
from ingestion.toy_dogs.sample import write_sample
from pipeline.cli.train.run import report_run
from pipeline.config.load import load_config
from pipeline.history import past_run
from pipeline.history.read_runs import read_history
from pipeline.history.record_names import State
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pictures import encoded
from tests.pipeline.conftest import FirstRun, tiny_settings
from tests.serving.model_server import free_port
from trainer.preprocessing.transform import decode_picture, fit_picture, store

pytestmark = pytest.mark.slow

RunTiny = Callable[..., tuple[FinishedRun, str]]
ALL_NODES = {
    "ImportExampleGen", "StatisticsGen", "CuratedSchema", "ExampleValidator", "Transform",
    "Trainer", "Baseline", "Evaluator", "Canary", "Pusher", "Report",
}  # fmt: skip


@pytest.fixture(scope="module")
def root(first_run: FirstRun) -> Path:
    return first_run.root


@pytest.fixture(scope="module")
def run_tiny(root: Path, records: Dataset) -> RunTiny:
    """Runs the pipeline below `root`; returns the run and what the terminal said of it."""

    def start(*overrides: str) -> tuple[FinishedRun, str]:
        console = Console(file=io.StringIO(), width=160)
        config = load_config(None, [*tiny_settings(root), *overrides], source=str(records.path))
        finished = run(config, console)
        report_run(config, finished, console)
        return finished, console.file.getvalue()  # type: ignore[attr-defined]

    return start


@pytest.fixture(scope="module")
def first(first_run: FirstRun) -> tuple[FinishedRun, str]:
    return first_run.finished, first_run.said


def _nodes(finished: FinishedRun, status: NodeStatus) -> set[str]:
    return {name for name, each in finished.display.nodes.items() if each is status}


def _versions(root: Path) -> set[str]:
    return set(map(str, list_versions(root / "served")))


def _facts(finished: FinishedRun) -> dict[str, Any]:
    """What the report says, as programs read it."""
    assert finished.report_path is not None
    facts: dict[str, Any] = json.loads((finished.report_path.parent / FACTS_FILE).read_text())
    assert "Left out of this report" not in facts["provenance"]["facts"]
    return facts


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def test_first_run_runs_every_node_and_pushes_a_model(
    first: tuple[FinishedRun, str], root: Path
) -> None:
    finished, said = first

    assert _nodes(finished, NodeStatus.RAN) == ALL_NODES
    assert not finished.outcome.baseline
    assert finished.outcome.pushed_path is not None
    assert _versions(root) == {finished.outcome.pushed_path.name}
    assert "Blessed and pushed" in said
    assert str(finished.outcome.pushed_path) in said


def test_server_that_a_run_names_answers_our_client(
    first: tuple[FinishedRun, str], tmp_path: Path
) -> None:
    [line] = [each for each in first[1].splitlines() if " serve " in each]
    dogbreed, port = Path(sys.executable).with_name("dogbreed"), free_port()
    Image.new("RGB", (40, 30), "tan").save(tmp_path / "dog.png")
    serve = [dogbreed, *shlex.split(line)[1:], f"--port={port}", "--rest_api_port=0"]
    predict = [dogbreed, "predict", "--wait", "120", "--server", f"localhost:{port}"]

    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        command = [*predict, tmp_path / "dog.png"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        server.terminate()

    assert asked.returncode == 0, asked.stderr
    assert "Toy" in asked.stdout


def test_report_of_a_first_run_says_what_was_measured_and_pushed(
    first: tuple[FinishedRun, str], records: Dataset
) -> None:
    outcome = first[0].outcome
    assert outcome.pushed_path is not None
    page = first[0].report_path
    assert page is not None

    facts = _facts(first[0])

    verdict = facts["verdict"]
    assert verdict["headline"] == f"Blessed and pushed as version {outcome.pushed_path.name}"
    assert "There is no earlier model to compare with." in verdict["reasons"]
    assert verdict["headline"] in page.read_text()
    assert facts["figures"]["accuracy"]["value"] == pytest.approx(outcome.figures["accuracy"])
    assert facts["figures"]["accuracy"]["baseline"] is None
    assert facts["figures"]["loss"]["value"] == pytest.approx(outcome.figures["loss"])
    counts = np.array(facts["confusion"]["counts"])
    assert counts.sum() == facts["num_eval"] == outcome.num_eval_examples
    assert np.trace(counts) / counts.sum() == pytest.approx(outcome.figures["accuracy"])
    assert tuple(facts["confusion"]["breeds"]) == records.labels
    assert facts["provenance"]["facts"]["Data fingerprint"] == records.fingerprint
    robustness = facts["robustness"]
    # The sample is the whole eval split here, but a client's way leads through another signature.
    assert robustness["num_pictures"] == facts["num_eval"]
    assert robustness["accuracy"] == pytest.approx(outcome.figures["accuracy"])
    assert [each["kind"] for each in robustness["changes"]] == list(CHANGES)
    for each in robustness["changes"]:
        assert each["interval"]["low"] <= each["accuracy"] <= each["interval"]["high"]
        assert each["title"] in page.read_text()
    assert facts["data"]["audit"]["tables"][0] == str(records.path / "audit.csv")
    assert {path.name for path in page.parent.iterdir()} == {
        "report.html", "facts.json", "configuration.yaml"
    }  # fmt: skip


def test_report_leaves_figures_and_confusion_matrix_in_the_metadata(
    first: tuple[FinishedRun, str], root: Path
) -> None:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(root / "metadata.sqlite")
    store = metadata_store.MetadataStore(connection)

    metrics = store.get_artifacts_by_type(RunMetrics.TYPE_NAME)[0].custom_properties
    matrix = store.get_artifacts_by_type(RunClassification.TYPE_NAME)[0].custom_properties

    outcome = first[0].outcome
    # SQLite's store keeps six digits.
    assert metrics["accuracy"].double_value == pytest.approx(outcome.figures["accuracy"], rel=1e-5)
    assert metrics["num_eval"].double_value == outcome.num_eval_examples
    assert metrics["blessed"].double_value == 1
    assert outcome.canary is not None
    assert outcome.canary.latency is not None
    latency_ms = outcome.canary.latency.value
    assert metrics["latency_ms"].double_value == pytest.approx(latency_ms, rel=1e-5)
    rows = matrix["confusionMatrix"].struct_value.fields["rows"].list_value.values
    assert [cell.number_value for cell in rows[0].struct_value.fields["row"].list_value.values] == (
        _facts(first[0])["confusion"]["counts"][0]
    )


def test_configuration_in_the_report_repeats_the_run(first: tuple[FinishedRun, str]) -> None:
    assert first[0].report_path is not None
    path = first[0].report_path.with_name(CONFIGURATION_FILE)

    again = run(load_config(path), Console(file=io.StringIO()))

    assert _nodes(again, NodeStatus.REUSED) == ALL_NODES


def test_averaged_model_answers_the_same_for_a_picture_and_its_mirror_image(
    first: tuple[FinishedRun, str], run_tiny: RunTiny, photograph: Image.Image
) -> None:
    averaged = run_tiny("trainer.average_mirrored=true", "pusher.enabled=false")[0].outcome
    models = averaged.training_logs.parents[1] / "model" / averaged.training_logs.name
    square = photograph.resize((32, 32))
    both = [encoded(each, "PNG") for each in (square, square.transpose(Image.FLIP_LEFT_RIGHT))]

    def answers(path: Path) -> np.ndarray:
        served = tf.saved_model.load(str(path)).signatures["serving_default"]
        return served(pictures=tf.constant(both))["probabilities"].numpy()

    # Storing as JPEG is not quite the same from left to right and from right to left.
    picture, mirrored = answers(models / "Format-Serving")
    np.testing.assert_allclose(picture, mirrored, atol=0.02)
    plain, plain_mirrored = answers(Path(str(first[0].outcome.pushed_path)))
    assert np.abs(plain - plain_mirrored).max() > 0.02


def test_missing_file_of_weights_is_refused_before_anything_runs(run_tiny: RunTiny) -> None:
    network = "trainer.network={name: transfer, weights: nowhere.weights.h5, input_px: 32}"

    with pytest.raises(UserError, match=r"no file nowhere.weights.h5, which"):
        run_tiny(network)


def test_training_curves_have_a_train_and_an_eval_run(first: tuple[FinishedRun, str]) -> None:
    runs = {path.parent.name for path in first[0].outcome.training_logs.rglob("events.*")}
    assert runs == {"train", "validation"}


def test_unchanged_run_reuses_everything_and_says_so(
    first: tuple[FinishedRun, str], run_tiny: RunTiny, root: Path
) -> None:
    versions = _versions(root)

    finished, said = run_tiny()

    assert _nodes(finished, NodeStatus.REUSED) == ALL_NODES
    assert "Nothing has changed since the last run" in said
    assert finished.outcome == first[0].outcome
    assert _versions(root) == versions


def test_missed_bound_refuses_the_model_and_leaves_the_served_one(
    first: tuple[FinishedRun, str], run_tiny: RunTiny, root: Path
) -> None:
    versions = _versions(root)

    finished, said = run_tiny("evaluator.min_accuracy=1", "evaluator.min_breed_accuracy=1")

    outcome = finished.outcome
    assert _nodes(finished, NodeStatus.RAN) == {"Evaluator", "Canary", "Pusher", "Report"}
    assert not outcome.blessed
    assert outcome.pushed_path is None
    assert _versions(root) == versions
    accuracy = outcome.figures["accuracy"]
    miss = f"accuracy {accuracy:.3f} misses its bound 1.000 by {1 - accuracy:.3f}"
    assert miss in outcome.missed_bounds
    assert any(text.startswith("accuracy of Toy ") for text in outcome.missed_bounds)
    assert miss in said
    assert "Not blessed, not pushed" in said
    verdict = _facts(finished)["verdict"]
    assert verdict["headline"] == f"Refused: {len(outcome.missed_bounds)} bounds were missed"
    assert set(verdict["reasons"]) >= set(map(_sentence, outcome.missed_bounds))
    backbone, *_, key = outcome.next_steps
    assert backbone.endswith("--config transfer.")
    assert key == "Only then the bound: evaluator.min_accuracy, evaluator.min_breed_accuracy."
    assert all(f"  {step}\n" in said for step in outcome.next_steps)
    assert verdict["next_steps"] == list(outcome.next_steps)
    [bound] = (bound for bound in verdict["bounds"] if bound["title"] == "Accuracy")
    assert bound["missed_by"] == pytest.approx(1 - accuracy)


def test_missed_bound_that_is_only_reported_refuses_nothing(
    first: tuple[FinishedRun, str], run_tiny: RunTiny, root: Path
) -> None:
    versions = _versions(root)

    finished, said = run_tiny("evaluator.min_accuracy=1", "evaluator.report_only=true")

    outcome = finished.outcome
    [miss] = outcome.missed_bounds
    assert outcome.blessed
    assert outcome.next_steps == ()
    assert outcome.pushed_before
    assert _versions(root) == versions
    already = f"Blessed, pushed already as version {max(versions)}, although a bound was missed: "
    assert already in said
    assert f"  {miss}\n  evaluator.report_only is true: " in said
    majority = ["majority", "class", f"{outcome.majority.accuracy:.3f}"]
    assert any(line.split()[:3] == majority for line in said.splitlines())
    verdict = _facts(finished)["verdict"]
    assert verdict["blessed"]
    assert verdict["headline"].endswith(", although a bound was missed")
    assert _sentence(miss) in verdict["reasons"]
    history = read_history(root)
    last = history.runs[-1]
    assert last.state is State.PUSHED
    assert f"although {miss}" in past_run.verdict(last, history).plain


def test_worse_model_is_refused_by_comparison_with_the_served_one(
    first: tuple[FinishedRun, str], run_tiny: RunTiny, root: Path
) -> None:
    versions = _versions(root)

    finished, said = run_tiny("trainer.max_steps=1", "evaluator.max_accuracy_drop=0.02")

    outcome = finished.outcome
    assert _nodes(finished, NodeStatus.RAN) == {
        "Trainer",
        "Baseline",
        "Evaluator",
        "Canary",
        "Pusher",
        "Report",
    }
    assert outcome.baseline["accuracy"] == pytest.approx(first[0].outcome.figures["accuracy"])
    drop = first[0].outcome.figures["accuracy"] - outcome.figures["accuracy"]
    [miss] = outcome.missed_bounds
    assert miss.startswith(f"accuracy is {drop:.3f} lower than the served model's")
    assert f"{drop - 0.02:.3f} more than the 0.020 allowed" in miss
    assert miss in said
    assert _versions(root) == versions
    facts = _facts(finished)
    assert facts["verdict"]["headline"] == "Refused: a bound was missed"
    assert _sentence(miss) in facts["verdict"]["reasons"]
    assert facts["figures"]["accuracy"]["baseline"] == pytest.approx(
        first[0].outcome.figures["accuracy"]
    )


def test_served_model_of_other_breeds_is_no_baseline(
    first: tuple[FinishedRun, str], records: Dataset, root: Path, tmp_path: Path
) -> None:
    archive = write_sample(tmp_path / "pictures", per_breed=8, size_px=48)
    fewer = convert(
        str(archive),
        tmp_path / "records",
        ConvertOptions(breeds=records.labels[:3], split="every-5th", eval_share=0.5),
    )
    settings = [*tiny_settings(tmp_path / "root"), f"pusher.destination={root / 'served'}"]
    config = load_config(None, settings, source=str(fewer.path))

    finished = run(config, Console(file=io.StringIO()))

    assert not finished.outcome.baseline
    assert finished.outcome.pushed_path is not None
    assert any("names other breeds" in text for text in _facts(finished)["verdict"]["reasons"])
    shutil.rmtree(finished.outcome.pushed_path)


def test_inferred_schema_takes_the_place_of_the_curated_one(
    first: tuple[FinishedRun, str], run_tiny: RunTiny
) -> None:
    finished, _ = run_tiny("data.infer_schema=true", "trainer.epochs=1")

    assert "SchemaGen" in _nodes(finished, NodeStatus.RAN)
    assert finished.outcome.pushed_path is not None


def test_transform_stores_exactly_what_eager_preprocessing_gives(
    first: tuple[FinishedRun, str], root: Path, records: Dataset
) -> None:
    config = load_config(None, tiny_settings(root))
    eagerly = {
        store(
            fit_picture(
                decode_picture(tf.constant(decode_example(record)["image/encoded"])),
                config.trainer.network.image,
                config.transform,
            ),
            config.transform,
        ).numpy()
        for path in records.shards("eval")
        for record in read_records(path)
    }

    files = [str(path) for path in root.glob("artifacts/Transform/*/*/Split-eval/*.gz")]
    transformed = {
        tf.train.Example.FromString(record.numpy())
        .features.feature["image/encoded_xf"]
        .bytes_list.value[0]
        for record in tf.data.TFRecordDataset(files, "GZIP")
    }

    assert transformed == eagerly


def test_reused_push_whose_version_was_removed_is_not_passed_off_as_pushed(
    run_tiny: RunTiny, tmp_path: Path
) -> None:
    pushed = run_tiny()[0].outcome.pushed_path
    assert pushed is not None
    aside = tmp_path / pushed.name
    shutil.move(pushed, aside)

    with pytest.raises(UserError, match=rf"{pushed} has been removed. Run with --fresh"):
        run_tiny()

    shutil.move(aside, pushed)


def test_damaged_shard_is_named_with_the_remedy_and_none_of_its_bytes(
    records: Dataset, tmp_path: Path
) -> None:
    damaged = load_dataset(shutil.copytree(records.path, tmp_path / "records")).shards("train")[0]
    with damaged.open("r+b") as shard:
        shard.truncate(damaged.stat().st_size - 500)
    config = load_config(None, tiny_settings(tmp_path / "root"), source=str(tmp_path / "records"))

    with pytest.raises(UserError) as raised:
        run(config, Console(file=io.StringIO()))

    said, _ = str(raised.value).splitlines()
    assert said == (
        f"ImportExampleGen failed: {damaged} is damaged or cut short: copy it again, or convert "
        "the pictures again."
    )


def test_anomalies_stop_the_run_before_training_in_words(records: Dataset, tmp_path: Path) -> None:
    tampered, root = tmp_path / "records", tmp_path / "root"
    shutil.copytree(records.path, tampered)
    shard = load_dataset(tampered).shards("eval")[0]
    examples = [tf.train.Example.FromString(record) for record in read_records(shard)]
    del examples[0].features.feature["image/encoded"]
    examples[1].features.feature["image/class/label"].int64_list.value[0] = 99
    examples[2].features.feature["image/class/text"].bytes_list.value[0] = b"Grey Wolf"
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    config = load_config(None, tiny_settings(root), source=str(tampered))

    with pytest.raises(UserError) as raised:
        run(config, Console(file=io.StringIO()))

    said = str(raised.value)
    assert said.startswith("ExampleValidator failed: The data does not fit the schema: eval split")
    assert "image/encoded: The feature" in said
    assert "present in fewer examples than expected" in said
    assert "image/class/label: Unexpectedly large value: 99" in said
    assert "Grey Wolf" in said
    assert str(root / "logs") in said
    assert not (root / "artifacts" / "Transform").exists()
