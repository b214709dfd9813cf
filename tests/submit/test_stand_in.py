"""The stand-in against recordings of Kubeflow Pipelines 2.17.0: what it compiles, what it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.kubeflow.submit.workflow import Workflow
from tests.submit.cluster import Cluster, LiveRun

_RECORDINGS = Path(
    os.environ.get("DOGBREED_KFP_RECORDINGS")
    or Path(__file__).parents[2].parent / "shared/data/kfp-2.17.0"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not _RECORDINGS.is_dir(), reason=f"no recordings of Kubeflow Pipelines in {_RECORDINGS}"
    ),
]


@pytest.fixture
def run() -> LiveRun:
    return LiveRun({}, ["trainer", "pusher", "report"], "toys-00000", tick=6)


@pytest.fixture
def templates() -> dict[str, Any]:
    recorded = yaml.safe_load((_RECORDINGS / "workflow-laptop.yaml").read_text())
    return {template["name"]: template for template in recorded["spec"]["templates"]}


def test_its_nodes_are_of_the_templates_that_kubeflow_compiles(
    run: LiveRun, templates: dict[str, Any]
) -> None:
    nodes = json.loads(run.manifest(Cluster(wrapped=False)))["status"]["nodes"].values()
    dags = {node["id"]: templates[node["templateName"]]["dag"]["tasks"] for node in _dags(nodes)}

    for node in nodes:
        template = templates[node["templateName"]]
        assert ("container" in template) == (node["type"] in ("Pod", "Retry"))
        made = {one["name"] for one in template["outputs"].get("parameters", ())}
        assert {one["name"] for one in node["outputs"]["parameters"]} <= made
        if node["boundaryID"]:
            tasks = {task["name"]: task["template"] for task in dags[node["boundaryID"]]}
            assert tasks[node["displayName"].split("(")[0]] == node["templateName"]
    (executor,) = templates["metadata-0-3-retry-system-container-executor"]["dag"]["tasks"]
    assert executor["when"] == "{{inputs.parameters.cached-decision}} != true"


def test_a_step_is_given_artifacts_where_kubeflow_gives_them(run: LiveRun) -> None:
    manifest = json.loads(run.manifest(Cluster(pushed=False)))
    made = Workflow(manifest).given_property("pushed_model", "pushed")
    recorded = (_RECORDINGS / "pod-patches/report.json").read_text()
    for node in manifest["status"]["nodes"].values():
        for parameter in node["outputs"]["parameters"]:
            if parameter["name"] == "pod-spec-patch" and "pushed_model" in parameter["value"]:
                parameter["value"] = recorded

    assert made == 0
    assert Workflow(manifest).given_property("pushed_model", "pushed") == 1
    assert Workflow(manifest).given_property("baseline", "served_version") == "none"


def _dags(nodes: Any) -> list[Any]:
    return [node for node in nodes if node["type"] == "DAG"]
