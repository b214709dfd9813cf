from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.submit.stand_in import StandIn

Dogbreed = Callable[..., "subprocess.CompletedProcess[str]"]
DOGBREED = Path(sys.executable).with_name("dogbreed")

_NODES = {
    "trainer": ("Trainer", ["transform"]),
    "transform": ("Transform", ["import-example-gen"]),
    "import-example-gen": ("ImportExampleGen", []),
    "report": ("Report", ["pusher"]),
    "pusher": ("Pusher", ["trainer"]),
}


@pytest.fixture
def kubeflow() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture(params=[True, False], ids=["2.17", "2.16"])
def of_either_version(request: pytest.FixtureRequest, kubeflow: StandIn) -> StandIn:
    """A Kubeflow that has every template tried again, and one that has not."""
    kubeflow.behaviour.wrapped = request.param
    return kubeflow


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    write_package(path)
    return path


@pytest.fixture
def dogbreed(tmp_path: Path) -> Dogbreed:
    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DOGBREED, *arguments], cwd=tmp_path, capture_output=True, text=True,
            env=environment(**variables), timeout=60, check=False,
        )  # fmt: skip

    return run


def environment(**variables: str) -> dict[str, str]:
    """A terminal wide enough for tables, and none of the machine's own access to a Kubeflow."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DOGBREED_", "KF_PIPELINES_"))
    }
    return {**kept, "COLUMNS": "200", **variables}


def write_package(path: Path, schema: str = "2.1.0", **extra: Any) -> None:
    """Writes a package as `dogbreed compile` does, with five steps that stand in no order."""
    parameters = {
        "data": {"parameterType": "STRING"},
        "epochs": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3},
        "learning_rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.01},
        "cache": {"parameterType": "BOOLEAN", "defaultValue": True},
        "breeds": {"parameterType": "LIST", "isOptional": True},
    }
    tasks = {
        task: {
            "taskInfo": {"name": node},
            "componentRef": {"name": f"comp-{task}"},
            "dependentTasks": upstream,
        }
        for task, (node, upstream) in _NODES.items()
    }
    pipeline = {
        "pipelineInfo": {"name": "toy-dogs"},
        "schemaVersion": schema,
        "sdkVersion": "tfx",
        "root": {"dag": {"tasks": tasks}, "inputDefinitions": {"parameters": parameters}},
        "components": {f"comp-{task}": {"executorLabel": f"exec-{task}"} for task in _NODES},
        "deploymentSpec": {
            "executors": {f"exec-{task}": {"container": {"image": "dogbreed"}} for task in _NODES}
        },
        **extra,
    }
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {}}}}}
    path.write_text(yaml.safe_dump_all([pipeline, platform]))
