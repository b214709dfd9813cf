"""Whatever is lost, killed or half written: a model is pushed once, and the run says so."""

from __future__ import annotations

import io
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from foundation.versions import list_versions
from ingestion.dataset import Dataset
from pipeline.cli.train.run import report_run
from pipeline.config.load import load_config
from pipeline.history.past_run import verdict
from pipeline.history.read_runs import read_history
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pipeline.conftest import FirstRun, tiny_settings

pytestmark = pytest.mark.slow

# A busy machine may be too slow for the Canary, which would refuse the model.
_OTHER_MODEL = ("trainer.epochs=1", "canary.enabled=false")
_KILLED_AFTER_THE_RENAME = """
import os, signal, sys
from components.pusher.component import PusherExecutor
from pipeline.config.load import load_config
from pipeline.local.run_pipeline import run

def kill(self, model_push, pushed_destination, **_):
    if ".incoming" not in pushed_destination:  # else TFX has copied, and the rename is to come
        os.kill(os.getpid(), signal.SIGKILL)

PusherExecutor._MarkPushed = kill
run(load_config(None, sys.argv[2:], source=sys.argv[1]))
"""


@dataclass(frozen=True)
class Root:
    """A root whose metadata was deleted after its first push, and the run after that."""

    path: Path
    records: Path
    served: int
    finished: FinishedRun
    said: str


def _settings(root: Path, *overrides: str) -> list[str]:
    return [*tiny_settings(root), *overrides]


def _run(root: Path, records: Path, *overrides: str) -> tuple[FinishedRun, str]:
    console = Console(file=io.StringIO(), width=160)
    config = load_config(None, _settings(root, *overrides), source=str(records))
    finished = run(config, console)
    report_run(config, finished, console)
    return finished, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def root(first_run: FirstRun, records: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Root:
    path = Path(shutil.copytree(first_run.untouched, tmp_path_factory.mktemp("lost") / "root"))
    [served] = list_versions(path / "served")
    (path / "metadata.sqlite").unlink()
    return Root(path, records.path, served, *_run(path, records.path))


def test_deleted_metadata_costs_the_history_and_no_second_version(root: Root) -> None:
    assert root.finished.display.nodes["Trainer"] is NodeStatus.RAN
    assert f"Blessed, pushed already as version {root.served}: nothing was pushed" in root.said
    assert list_versions(root.path / "served")[0] == root.served
    history = read_history(root.path)
    assert verdict(history.runs[0], history).plain.startswith(f"pushed before: {root.served}")


def test_deleted_artifact_of_a_reused_node_costs_no_second_version(root: Root) -> None:
    versions = list_versions(root.path / "served")
    shutil.rmtree(root.path / "artifacts" / "Evaluator" / "evaluation")

    finished, said = _run(root.path, root.records)

    assert finished.display.nodes["Trainer"] is NodeStatus.REUSED
    assert finished.display.nodes["Pusher"] is NodeStatus.RAN
    assert f"pushed already as version {root.served}" in said
    assert list_versions(root.path / "served") == versions


def test_rows_that_a_full_disk_left_without_their_execution_hide_no_node(root: Root) -> None:
    with sqlite3.connect(root.path / "metadata.sqlite") as database:
        [[pusher]] = database.execute("SELECT id FROM Context WHERE name = 'sample.Pusher'")
        [[last]] = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'Execution'")
        lost = [(pusher, each) for each in range(last + 1, last + 12)]
        database.executemany(
            "INSERT INTO Association (context_id, execution_id) VALUES (?, ?)", lost
        )
    database.close()

    finished, _ = _run(root.path, root.records, "evaluator.max_accuracy_drop=0.9")

    assert finished.display.nodes["Pusher"] is NodeStatus.RAN
    assert finished.outcome.pushed_path == root.path / "served" / str(root.served)


# The last: it serves another model.
def test_push_that_was_killed_before_it_was_recorded_is_recognised(root: Root) -> None:
    arguments = _settings(root.path, *_OTHER_MODEL)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_AFTER_THE_RENAME, root.records, *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    versions = list_versions(root.path / "served")
    assert len(versions) == 2

    finished, said = _run(root.path, root.records, *_OTHER_MODEL)

    assert finished.display.nodes["Trainer"] is NodeStatus.REUSED
    assert f"pushed already as version {versions[-1]}" in said
    assert list_versions(root.path / "served") == versions
    history = read_history(root.path)
    assert history.runs[-1].pushed_version == str(versions[-1])
    assert verdict(history.runs[-1], history).plain.endswith("served now")
