"""Report: writes a page about a run and its verdict, whether the model was pushed or refused."""

import json
import logging
import os
import time
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, standard_artifacts

from components.report.facts import facts_json
from components.report.gather import gather
from components.report.kubeflow_view import confusion_matrix, scalars
from components.report.page.page import render
from components.report.provenance import artifact_rows
from components.report.sources import sources_of
from foundation.names import FACTS_FILE as FACTS_FILE
from foundation.names import REPORT_FILE as REPORT_FILE
from foundation.names import REPORT_TYPE

CONFIGURATION_FILE = "configuration.yaml"
"""File beside the page: the run's configuration, as `dogbreed run --config` takes it."""


class RunReport(Artifact):
    """A self-contained HTML page; `system.HTML` on Kubeflow."""

    TYPE_NAME = REPORT_TYPE


class RunMetrics(Artifact):
    """Scalars as custom properties; `system.Metrics` on Kubeflow."""

    TYPE_NAME = "dogbreed.RunMetrics"


class RunClassification(Artifact):
    """A confusion matrix as a custom property; `system.ClassificationMetrics` on Kubeflow."""

    TYPE_NAME = "dogbreed.RunClassification"


@component
def Report(  # noqa: N802 - a component is named as a class
    examples: InputArtifact[standard_artifacts.Examples],
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    schema: InputArtifact[standard_artifacts.Schema],
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    model: InputArtifact[standard_artifacts.Model],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    report: OutputArtifact[RunReport],
    metrics: OutputArtifact[RunMetrics],
    classification: OutputArtifact[RunClassification],
    settings: Parameter[str],
    commit: Parameter[str],
    code: Parameter[str],
    decisions: Parameter[str],
    records: Parameter[str],
    baseline: InputArtifact[standard_artifacts.Model] = None,
    infra_blessing: InputArtifact[standard_artifacts.InfraBlessing] = None,
    pushed_model: InputArtifact[standard_artifacts.PushedModel] = None,
) -> None:
    """Writes the page, and beside it the same facts as JSON.

    `baseline` may be empty; the inputs with a default are missing where the run lacks their nodes.
    `settings` is the configuration as JSON, but the settings stored with the model take precedence.
    `commit` is empty if unknown. `code` is the fingerprint of this component's code.
    `decisions` says in words what people decided about single images. `records` is the folder of
    the records. Both are empty on a cluster, where this step does not see them.
    """
    artifacts: dict[str, Artifact | None] = {
        "examples": examples,
        "statistics": statistics,
        "schema": schema,
        "anomalies": anomalies,
        "transform_graph": transform_graph,
        "model": model,
        "model_run": model_run,
        "baseline": baseline,
        "evaluation": evaluation,
        "blessing": blessing,
        "infra_blessing": infra_blessing,
        "pushed_model": pushed_model,
    }
    # Kubeflow uploads every output, also those with properties only.
    for output in (report, metrics, classification):
        os.makedirs(output.uri, exist_ok=True)
    folder = Path(report.uri)
    configured = json.loads(settings)
    facts = gather(
        sources_of(artifacts),
        configured,
        commit,
        artifact_rows(artifacts, configured),
        folder / CONFIGURATION_FILE,
        decisions,
        Path(records) if records else None,
    )
    started_at = time.monotonic()
    page = render(facts)
    logging.info("Report: the page took %.2f s.", time.monotonic() - started_at)
    _write(folder / CONFIGURATION_FILE, facts.provenance.configuration)
    _write(folder / FACTS_FILE, facts_json(facts))
    _write(folder / REPORT_FILE, page)
    for name, value in scalars(facts).items():
        metrics.set_float_custom_property(name, value)
    classification.set_json_value_custom_property(
        "confusionMatrix", confusion_matrix(facts.evaluation.confusion)
    )


def _write(path: Path, text: str) -> None:
    incoming = path.with_name(f".{path.name}.incoming")
    incoming.write_text(text, encoding="utf-8")
    os.replace(incoming, path)
