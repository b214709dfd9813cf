"""What the report says of a verdict and of where a model comes from, and how programs read it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

from components.evaluator.results.bounds import DROP_TITLE
from components.evaluator.results.values import (
    Bound,
    Calibration,
    Confusion,
    Evaluation,
    Figure,
    Interval,
    MajorityClass,
)
from components.report.facts import Data, ReportFacts, Training, Verdict, facts_json
from components.report.kubeflow_view import confusion_matrix, scalars
from components.report.provenance import provenance
from components.report.sources import Sources
from components.report.training import read_training
from components.report.verdict import read_verdict
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.config.serialise import reported_settings
from trainer.training.config import TrainerConfig

pytestmark = pytest.mark.slow

_CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
_SETTINGS = json.loads(Config().model_dump_json())
_KEPT = Bound("Accuracy", 0.95, 0.9, at_least=True, kept=True)
_MISSED = Bound("Accuracy", 0.812, 0.9, at_least=True, kept=False)
_DROPPED = Bound(DROP_TITLE, 0.3, 0.02, at_least=False, kept=False)


def _sources(**changes: Any) -> Sources:
    """A run whose model was blessed and pushed, and the first of its kind."""
    nowhere = Path("nowhere")
    sources = Sources(
        examples=nowhere, statistics=nowhere, schema=nowhere, anomalies=nowhere, model=nowhere,
        model_run=nowhere, evaluation=nowhere, blessed=True, about={}, may_push=True, baseline=None,
        served_version=None, canary=None, pushed_version="17", pushed_path="/srv/served/17",
    )  # fmt: skip
    return dataclasses.replace(sources, **changes)


def _evaluation(baseline: float | None = None, num_breeds: int = 2) -> Evaluation:
    accuracy = Figure(
        "accuracy", "Accuracy", 0.95, Interval(0.9, 1.0), baseline, None, True, "Share of right."
    )
    loss = Figure("loss", "Loss", float("inf"), None, None, None, False, "In nats.")
    counts = tuple(
        tuple(8 if truth == named else int(truth > named) for named in range(num_breeds))
        for truth in range(num_breeds)
    )
    return Evaluation(
        num_eval=20,
        majority=MajorityClass("Breed 0", 0.55),
        figures=(accuracy, loss),
        breeds=(),
        slices=(),
        confusion=Confusion(
            tuple(f"Breed {label}" for label in range(num_breeds)),
            counts,
            tuple(range(num_breeds)),
        ),
        calibration=Calibration((), 0.1, None, None),
    )


def _trial(folder: Path, **result: Any) -> Path:
    folder.mkdir(exist_ok=True)
    found = {
        "misses": [], "num_pictures": 4, "latency_ms": 7.5, "max_latency_ms": 10.0, **result
    }  # fmt: skip
    (folder / "canary.json").write_text(json.dumps(found))
    return folder


def _verdict(sources: Sources, *bounds: Bound, baseline: float | None = None) -> Verdict:
    return read_verdict(sources, _evaluation(baseline), bounds)


def test_first_run_reads_naturally(tmp_path: Path) -> None:
    verdict = _verdict(_sources(canary=_trial(tmp_path)), _KEPT)

    assert verdict.blessed
    assert verdict.headline == "Blessed and pushed as version 17"
    assert verdict.reasons == (
        "Every bound was kept.",
        "Tried in a model server, it answered as it did in training, and in time.",
        "There is no earlier model to compare with.",
    )
    latency = verdict.bounds[-1]
    assert (latency.value, latency.bound, latency.unit, latency.kept) == (7.5, 10.0, "ms", True)


def test_refusal_says_by_how_much_and_what_stays(tmp_path: Path) -> None:
    sources = _sources(
        blessed=False,
        baseline=tmp_path,
        served_version="16",
        canary=tmp_path,  # left empty: it tries no model that was refused
        pushed_version=None,
        pushed_path=None,
    )

    verdict = _verdict(sources, _MISSED, _DROPPED, baseline=0.991)

    assert not verdict.blessed
    assert verdict.headline == "Refused: 2 bounds were missed"
    assert verdict.reasons == (
        "Accuracy 0.812 misses its bound 0.900 by 0.088.",
        "Accuracy is 0.300 lower than the served model's, 0.280 more than the 0.020 allowed.",
        "It was not tried in a model server: only what is good enough is.",
        "On the same eval pictures the served model, version 16, has an accuracy of 0.991, this "
        "one of 0.950.",
        "It was not pushed: version 16 stays the served model.",
    )


def test_missed_bound_that_is_only_reported_is_told_as_such(tmp_path: Path) -> None:
    verdict = _verdict(_sources(canary=_trial(tmp_path)), _KEPT, _MISSED)

    assert verdict.blessed
    assert verdict.headline == "Blessed and pushed as version 17, although a bound was missed"
    assert verdict.reasons[:2] == (
        "evaluator.report_only is true: what was missed is shown, and refuses nothing.",
        "Accuracy 0.812 misses its bound 0.900 by 0.088.",
    )
    assert verdict.next_steps == ()


def test_refusal_by_the_canary_says_what_it_found(tmp_path: Path) -> None:
    miss = "latency 12.5 ms of 99 in 100 single pictures misses its bound 10 ms by 2.5 ms"
    canary = _trial(tmp_path, misses=[miss], latency_ms=12.5)

    verdict = _verdict(_sources(canary=canary, pushed_version=None, pushed_path=None), _KEPT)

    assert not verdict.blessed
    assert verdict.headline == "Refused by the trial in a model server"
    assert verdict.reasons[0] == f"L{miss[1:]}."
    assert verdict.bounds[-1].missed_by == pytest.approx(2.5)
    assert verdict.next_steps == (
        "Run again: the canary tries the same model once more.",
        "Only then the bound: canary.max_latency_ms.",
    )
    assert sum("12.5 ms" in reason for reason in verdict.reasons) == 1


def test_run_without_a_push_says_so() -> None:
    verdict = _verdict(_sources(may_push=False, pushed_version=None, pushed_path=None), _KEPT)

    assert verdict.headline == "Blessed, not pushed"
    assert verdict.reasons[0] == "Every bound was kept."
    assert "pusher.enabled is false" in verdict.reasons[-1]
    assert not any("earlier model" in reason for reason in verdict.reasons)


def test_served_model_of_other_breeds_is_named_as_no_baseline(tmp_path: Path) -> None:
    verdict = _verdict(_sources(served_version="16", canary=_trial(tmp_path)), _KEPT)

    assert (
        "The served model, version 16, names other breeds, so that the two cannot be compared."
    ) in verdict.reasons


@pytest.mark.parametrize("path", _CONFIGS, ids=lambda path: path.stem)
def test_configuration_in_the_report_is_the_run_s_own(path: Path, tmp_path: Path) -> None:
    config = load_config(path, [f"root={tmp_path}"])
    trained = TrainerConfig.model_validate({**config.trainer.model_dump(), "epochs": 3})
    about = {"trainer": trained.model_dump(mode="json")}
    written = tmp_path / "configuration.yaml"

    settings = json.loads(reported_settings(config, on_cluster=False))
    written.write_text(provenance(_sources(about=about), settings, "", (), written).configuration)

    # A search begins anew from what was configured; else what the model says of itself counts.
    expected = config if config.tuner else config.model_copy(update={"trainer": trained})
    again = load_config(written)
    assert again == expected.model_copy(
        update={name: getattr(again, name) for name in ("kubeflow", "cache", "beam_workers")}
    )


def test_provenance_names_what_identifies_a_run(tmp_path: Path) -> None:
    searched = Config.model_validate({"tuner": {"trials": 2}})
    found = TrainerConfig(learning_rate=0.25).model_dump(mode="json")
    about = {"data": "d1", "recipe": "r1", "trainer": found, "versions": {"TFX": "1.2"}}

    settings = json.loads(reported_settings(searched, on_cluster=False))
    path = tmp_path / "a folder" / "configuration.yaml"
    told = provenance(
        _sources(about=about, served_version="16"), settings, "c0ffee-dirty", (), path
    )

    facts = dict(told.facts)
    assert (facts["Data fingerprint"], facts["Recipe"], facts["TFX"]) == ("d1", "r1", "1.2")
    assert facts["Seed"] == "0"
    assert facts["Git commit"] == "c0ffee, with changes that are not committed"
    assert facts["Found by the search"] == "trainer.learning_rate=0.25"
    assert yaml.safe_load(told.configuration)["trainer"]["learning_rate"] != 0.25
    commands = dict(told.commands).values()
    assert f"dogbreed run --config '{path}'" in commands
    assert "dogbreed serve --model_base_path=/srv/served" in commands
    assert f"dogbreed rollback 16 --root {searched.root_path}" in commands


def test_facts_for_programs_are_json_with_stable_keys() -> None:
    verdict = Verdict(False, None, None, "Refused", ("Why.",), (_MISSED,))
    facts = ReportFacts(
        title="sample",
        created_at="2026-01-02T03:04:05+00:00",
        verdict=verdict,
        evaluation=_evaluation(),
        training=Training("residual", 1234, (), ()),
        data=Data((), (), (), (), ()),
        provenance=provenance(_sources(), _SETTINGS, "", (), Path("c.yaml")),
    )

    read = json.loads(facts_json(facts), parse_constant=pytest.fail)

    assert read["figures"]["accuracy"]["value"] == 0.95
    assert read["figures"]["accuracy"]["interval"] == {"low": 0.9, "high": 1.0}
    assert read["figures"]["loss"]["value"] is None  # infinite, which JSON cannot say
    assert read["verdict"]["bounds"][0]["missed_by"] == pytest.approx(0.088)
    assert read["provenance"]["facts"]["Seed"] == "0"
    assert scalars(facts) == {
        "num_eval": 20, "majority_accuracy": 0.55, "accuracy": 0.95, "ece": 0.1, "blessed": 0,
        "pushed": 0,
    }  # fmt: skip


def test_confusion_matrix_is_as_kubeflow_writes_its_own() -> None:
    confusion = _evaluation(num_breeds=3).confusion
    kubeflow = dsl.ClassificationMetrics()

    kubeflow.log_confusion_matrix(list(confusion.breeds), [list(row) for row in confusion.counts])

    assert confusion_matrix(confusion) == kubeflow.metadata["confusionMatrix"]


def test_of_many_breeds_the_most_confused_are_shown() -> None:
    counts = [[int(truth == named) * 9 for named in range(50)] for truth in range(50)]
    counts[49][48] = 5
    confusion = Confusion(
        tuple(f"Breed {label}" for label in range(50)), tuple(map(tuple, counts)), tuple(range(50))
    )

    shown = confusion_matrix(confusion)

    names = [spec["displayName"] for spec in shown["annotationSpecs"]]
    assert names == [*confusion.breeds[:38], "Breed 48", "Breed 49"]
    assert shown["rows"][-1]["row"][-2:] == [5, 9]


def test_training_without_files_is_told_without_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = read_training(tmp_path, {"trainer": {"network": {"name": "softmax"}}})

    assert (training.network, training.epochs, training.pictures) == ("softmax", (), ())
    assert str(tmp_path / "history.csv") in caplog.text
    assert "filters.png" in caplog.text
