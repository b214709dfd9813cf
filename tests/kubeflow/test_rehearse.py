"""Whole rehearsals of the compiled pipeline, as child processes, beside a run of the same DAG."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from foundation.versions import list_versions
from ingestion.dataset import Dataset
from pipeline.cli.kubeflow.rehearse import report_rehearsal
from pipeline.cli.main import app
from pipeline.config.load import load_config
from pipeline.history.outcome import Outcome
from pipeline.kubeflow.package import Package, write_package
from pipeline.kubeflow.parameters import typed_parameters
from pipeline.kubeflow.rehearsal.options import RehearsalOptions
from pipeline.kubeflow.rehearsal.rehearse import FinishedRehearsal, rehearse
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import run
from tests.pipeline.conftest import tiny_settings

pytestmark = [pytest.mark.slow, pytest.mark.long]

UNTRAINED = ["epochs=1", "learning_rate=0.000001"]
COMPARED = ["max_accuracy_drop=0.02"]
Rehearse = Callable[..., tuple[FinishedRehearsal, str]]


# Kubeflow 3 has no ML Metadata. Python reads this first in every process that finds it on its path.
WITHOUT_METADATA_STORE = """
import importlib.util, pathlib, sys, types

STORE = "ml_metadata.metadata_store.pywrap.metadata_store_extension"
SERVICE = "ml_metadata.proto.metadata_store_service_pb2_grpc"

class Blocked(types.ModuleType):
    def __getattr__(self, name):
        if name == "LoadSimpleTypes":  # constants, which importing ml_metadata reads
            folder = pathlib.Path(importlib.util.find_spec("ml_metadata").origin).parent
            path = folder / "metadata_store/pywrap/metadata_store_extension.so"
            spec = importlib.util.spec_from_file_location(STORE, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.metadata_store.LoadSimpleTypes
        if name.startswith("__"):
            raise AttributeError(name)
        raise SystemExit("a step used ML Metadata: " + name)

sys.modules[STORE] = types.ModuleType(STORE)
sys.modules[STORE].metadata_store = Blocked("metadata_store")
sys.modules[SERVICE] = Blocked(SERVICE)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of rehearsals, whose steps can reach no metadata store, local or over gRPC."""
    blocked = tmp_path_factory.mktemp("blocked")
    (blocked / "sitecustomize.py").write_text(WITHOUT_METADATA_STORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(blocked), prepend=os.pathsep)
        yield tmp_path_factory.mktemp("rehearsal")


def test_steps_that_used_the_metadata_store_would_fail(root: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tfx.orchestration import metadata\n"
            "with metadata.Metadata(metadata.sqlite_metadata_connection_config(':memory:')): pass",
        ],
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 1
    assert "a step used ML Metadata: " in ended.stderr


@pytest.fixture(scope="module")
def rehearse_tiny(root: Path, records: Dataset, package: Package) -> Rehearse:
    """Rehearses below `root`; returns what came of it and what the terminal said."""

    def start(*parameters: str, like_cluster: bool = False) -> tuple[FinishedRehearsal, str]:
        console = Console(file=io.StringIO(), width=160)
        options = RehearsalOptions(
            root,
            parameters=typed_parameters(package, parameters),
            data=records.path,
            like_cluster=like_cluster,
            run_in="processes",
        )
        finished = rehearse(package, options, console)
        report_rehearsal(finished, console)
        return finished, console.file.getvalue()  # type: ignore[attr-defined]

    return start


@pytest.fixture(scope="module")
def untrained(rehearse_tiny: Rehearse) -> tuple[FinishedRehearsal, str]:
    return rehearse_tiny(*UNTRAINED)


@pytest.fixture(scope="module")
def trained(
    untrained: tuple[FinishedRehearsal, str], rehearse_tiny: Rehearse
) -> tuple[FinishedRehearsal, str]:
    """The second rehearsal, as on a cluster; its Transform is killed once."""
    killer = threading.Thread(target=_kill_once, args=("--step Transform",), daemon=True)
    killer.start()
    finished = rehearse_tiny(*COMPARED, like_cluster=True)
    killer.join(timeout=1)
    return finished


def _kill_once(words: str) -> None:
    """Kills the first child of this process with these words in its command line."""
    wanted, parent = words.replace(" ", "\0").encode(), f"PPid:\t{os.getpid()}\n"
    while True:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_child = parent in (process / "status").read_text()
                if is_child and wanted in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    return
        threading.Event().wait(0.2)


def _local_outcome(records: Dataset, root: Path, *overrides: str) -> Outcome:
    config = load_config(None, [*tiny_settings(root), *overrides], source=str(records.path))
    return run(config, Console(file=io.StringIO())).outcome


def _verdict(outcome: Outcome) -> tuple[float, float, bool]:
    return outcome.figures["accuracy"], outcome.figures["top_5_accuracy"], outcome.blessed


def test_rehearsal_comes_to_what_a_run_comes_to(
    untrained: tuple[FinishedRehearsal, str],
    trained: tuple[FinishedRehearsal, str],
    records: Dataset,
    tmp_path: Path,
) -> None:
    plainly = _local_outcome(
        records, tmp_path, "trainer.epochs=1", "trainer.learning_rate=0.000001"
    )
    longer = _local_outcome(records, tmp_path)

    assert _verdict(untrained[0].outcome) == _verdict(plainly)
    assert _verdict(trained[0].outcome) == _verdict(longer)


def test_first_rehearsal_runs_every_node_and_pushes(
    untrained: tuple[FinishedRehearsal, str], root: Path
) -> None:
    finished, said = untrained

    assert set(finished.display.nodes.values()) == {NodeStatus.RAN}
    assert "Pusher" in finished.display.nodes
    assert not finished.outcome.baseline
    pushed = finished.outcome.pushed_path
    assert pushed is not None
    assert pushed.parent == root / "volumes" / "dogbreed-models" / "sample"
    assert (pushed / "saved_model.pb").is_file()
    assert finished.report_path == root / "report.html"
    assert finished.report_path.read_text().lower().startswith("<!doctype html>")
    assert f"report   {finished.report_path}" in said
    assert "Steps run in child processes." in said
    assert "epoch 1/1, accuracy" in said
    accuracy = f"{finished.outcome.figures['accuracy']:.3f}"
    assert re.search(rf"^ *Accuracy +{accuracy}\b", said, re.MULTILINE)


def test_better_model_is_pushed_after_a_killed_step_was_tried_again(
    untrained: tuple[FinishedRehearsal, str], trained: tuple[FinishedRehearsal, str]
) -> None:
    before, finished = untrained[0].outcome, trained[0].outcome

    assert finished.figures["accuracy"] > before.figures["accuracy"]
    assert finished.baseline["accuracy"] == pytest.approx(before.figures["accuracy"])
    assert finished.pushed_path is not None
    assert finished.pushed_path != before.pushed_path
    log = trained[0].log_path.read_text()
    assert "=== Transform, attempt 2" in log
    assert "=== Trainer, attempt 2" not in log


def test_worse_model_is_refused(
    trained: tuple[FinishedRehearsal, str],
    package: Package,
    records: Dataset,
    root: Path,
    tmp_path: Path,
) -> None:
    better = trained[0].outcome
    assert better.pushed_path is not None
    write_package(package, tmp_path / "pipeline.yaml")
    arguments = ["--data", str(records.path), "--root", str(root), "--in", "processes"]
    for parameter in UNTRAINED + COMPARED:
        arguments += ["--param", parameter]

    ended = CliRunner().invoke(app, ["rehearse", str(tmp_path / "pipeline.yaml"), *arguments])

    assert ended.exit_code == 3
    assert "Not blessed, not pushed" in ended.output
    assert "lower than the served model's" in ended.output
    versions = list_versions(better.pushed_path.parent)
    assert str(versions[-1]) == better.pushed_path.name
    assert len(versions) == 2
