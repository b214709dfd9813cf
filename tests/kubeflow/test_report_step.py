"""A step that leaves a page and figures: what it hands to the launcher."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import ClassificationMetrics
from tfx import types
from tfx.dsl.components.base import base_executor

from components.evaluator.results.values import Confusion
from components.report.component import RunClassification, RunMetrics, RunReport
from components.report.kubeflow_view import confusion_matrix
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.step.apply_parameters import apply_parameters
from pipeline.kubeflow.step.run_step import run_step
from pipeline.kubeflow.step.uris import MOUNTS_VARIABLE
from pipeline.kubeflow.system_types import CLASSIFICATION_METRICS, HTML, METRICS, type_schema

pytestmark = pytest.mark.slow

ROOT = "minio://mlpipeline/v2/artifacts/dogs/run/Report"
OUTPUTS = {
    "report": (RunReport, HTML),
    "metrics": (RunMetrics, METRICS),
    "classification": (RunClassification, CLASSIFICATION_METRICS),
}
BREEDS = ("beagle", "pug")
COUNTS = ((5, 1), (2, 4))


class PageExecutor(base_executor.BaseExecutor):
    """Leaves what the report leaves, in little."""

    def Do(  # noqa: N802 - overrides TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a page with the settings in it, a file beside it, figures and a matrix."""
        [report], [metrics], [classification] = (output_dict[key] for key in OUTPUTS)
        folder = Path(report.uri)
        folder.mkdir(parents=True)
        (folder / "report.html").write_text(f"<!doctype html>{exec_properties['settings']}")
        (folder / "facts.json").write_text("{}")
        metrics.set_float_custom_property("accuracy", 0.75)
        metrics.set_int_custom_property("num_eval", 12)
        confusion = Confusion(BREEDS, COUNTS, (0, 1))
        classification.set_json_value_custom_property(
            "confusionMatrix", confusion_matrix(confusion)
        )


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the entry point tells the launcher of such a step, whose disk is `tmp_path`."""
    monkeypatch.setenv(MOUNTS_VARIABLE, json.dumps({"/minio": str(tmp_path / "minio")}))
    outputs = {
        key: {"artifacts": [{"uri": f"{ROOT}/{key}", "type": type_schema(kind), "metadata": {}}]}
        for key, (_, kind) in OUTPUTS.items()
    }
    classes = {
        key: {"artifactType": {"schemaTitle": f"{kind.__module__}.{kind.__name__}"}}
        for key, (kind, _) in OUTPUTS.items()
    }
    file = tmp_path / "output.json"
    arguments = argparse.Namespace(
        step="Report",
        executor_class_path=f"{__name__}.{PageExecutor.__name__}",
        json_serialized_invocation_args={
            "inputs": {"parameterValues": {"settings": "{}"}},
            "outputs": {"artifacts": outputs, "outputFile": str(file)},
        },
        json_serialized_inputs_spec_args={"parameters": {"settings": {"parameterType": "STRING"}}},
        outputs_spec={"artifacts": classes},
    )
    run_step(arguments, [])
    artifacts = json.loads(file.read_text())["artifacts"]
    return {key: listed["artifacts"][0] for key, listed in artifacts.items()}


def test_page_is_the_one_file_at_its_location(written: dict[str, Any], tmp_path: Path) -> None:
    assert written["report"]["uri"] == f"{ROOT}/report"
    path = tmp_path / "minio" / ROOT.removeprefix("minio://") / "report"
    assert path.read_text() == "<!doctype html>{}"


def test_figures_are_numbers_and_nothing_else(written: dict[str, Any]) -> None:
    assert written["metrics"]["metadata"] == {"accuracy": 0.75, "num_eval": 12.0}


def test_matrix_is_as_kfp_would_have_logged_it(written: dict[str, Any]) -> None:
    expected = ClassificationMetrics()
    expected.log_confusion_matrix(list(BREEDS), [list(row) for row in COUNTS])

    matrix = written["classification"]["metadata"]["confusionMatrix"]
    assert matrix == expected.metadata["confusionMatrix"]


def test_report_tells_the_values_of_its_run(package: Package) -> None:
    parameters = package.pipeline["root"]["dag"]["tasks"]["report"]["inputs"]["parameters"]
    compiled = {
        name: source["runtimeValue"]["constant"]
        for name, source in parameters.items()
        if "runtimeValue" in source
    }
    given = {
        "pipeline_data": "/data/other",
        "pipeline_epochs": 3.0,
        "pipeline_learning_rate": 0.5,
        "pipeline_min_accuracy": 0.25,
        "pipeline_min_top_5_accuracy": 0.5,
        "pipeline_max_accuracy_drop": 0.125,
        "pipeline_push_destination": "/models/other",
    }

    changed = apply_parameters("Report", {**compiled, **given})

    settings = json.loads(changed["settings"])
    assert settings["kubeflow"]["data"] == "/data/other"
    assert settings["trainer"]["epochs"] == 3
    assert settings["trainer"]["learning_rate"] == 0.5
    assert settings["evaluator"]["min_accuracy"] == 0.25
    assert settings["evaluator"]["min_top_5_accuracy"] == 0.5
    assert settings["evaluator"]["max_accuracy_drop"] == 0.125
    assert settings["pusher"]["destination"] == "/models/other"
    assert set(changed) == set(compiled)
