"""The first steps of the compiled pipeline: records from an object store, and kfp's own engine."""

from __future__ import annotations

import copy
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import local
from kfp.components import load_component_from_text
from kfp.local import docker_task_handler, status, task_dispatcher

from ingestion.dataset import Dataset
from pipeline.kubeflow.package import Package, write_package
from pipeline.kubeflow.rehearsal.artifacts import DEFAULT_PIPELINE_ROOT, Bucket
from pipeline.kubeflow.rehearsal.engine import Engine
from pipeline.kubeflow.rehearsal.options import RehearsalOptions
from pipeline.kubeflow.rehearsal.steps import ChildProcesses
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order
from tests.kubeflow.conftest import CompileTiny
from tests.kubeflow.watcher import Watcher

pytestmark = pytest.mark.slow

FIRST = {"records", "import-example-gen", "statistics-gen"}
RUNS_PIPELINES = (
    "block_input_artifact"
    in inspect.signature(
        getattr(task_dispatcher, "run_single_task_implementation", lambda: None)
    ).parameters
)


def _first_steps(package: Package) -> Package:
    cut = copy.deepcopy(package)
    dag = cut.pipeline["root"]["dag"]
    dag["tasks"] = {name: task for name, task in dag["tasks"].items() if name in FIRST}
    return cut


def test_records_come_from_an_object_store(
    compile_tiny: CompileTiny, records: Dataset, tmp_path: Path
) -> None:
    package = _first_steps(compile_tiny("kubeflow.data=s3://dogs/records"))
    options = RehearsalOptions(tmp_path, data=records.path)
    exchange = Bucket(tmp_path / "bucket", tmp_path / "disks", DEFAULT_PIPELINE_ROOT, "sample")
    engine = Engine(
        package, options, exchange, ChildProcesses(frozenset()), Watcher(), tmp_path / "log"
    )

    engine.run(tasks_in_order(package))

    examples = engine.results["ImportExampleGen"]
    assert examples.parameters == {"data_fingerprint": records.fingerprint}
    splits = examples.artifacts["examples"]["metadata"]["split_names"]
    assert json.loads(splits) == ["train", "eval"]
    statistics = engine.results["StatisticsGen"].artifacts["statistics"]
    kept = Path(exchange.local_path(statistics["uri"]))
    assert {path.name for path in kept.iterdir()} == {"Split-eval", "Split-train"}


@pytest.mark.skipif(not RUNS_PIPELINES, reason="kfp 2.5's local engine runs single components only")
def test_kfps_own_engine_runs_the_package_too(
    package: Package, records: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ChildTask(docker_task_handler.DockerTaskHandler):  # type: ignore[misc]
        """Runs a container's command as a child process."""

        def run(self) -> Any:
            command = [sys.executable, *self.full_command[1:]]
            code = subprocess.run(command, check=False).returncode
            return status.Status.FAILURE if code else status.Status.SUCCESS

    monkeypatch.setattr(docker_task_handler, "DockerTaskHandler", ChildTask)
    write_package(_first_steps(package), tmp_path / "pipeline.yaml")
    pipeline = load_component_from_text((tmp_path / "pipeline.yaml").read_text())
    local.init(runner=local.DockerRunner(), pipeline_root=str(tmp_path / "root"))

    pipeline(data=str(records.path))

    statistics = [path.name for path in (tmp_path / "root").glob("*/statistics-gen/statistics/*")]
    assert sorted(statistics) == ["Split-eval", "Split-train"]
