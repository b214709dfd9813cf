"""`dogbreed rollback` on a real root: what is served, what is recorded, what later runs do."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console

from foundation.errors import UserError
from foundation.lock import only_run_below
from foundation.versions import list_versions, newest_version
from ingestion.dataset import Dataset
from pipeline.cli.train.run import report_run
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.history import record_names as names
from pipeline.history.metadata_copy import open_store
from pipeline.history.read_runs import read_history
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import run
from serving.client.options import ClientOptions
from serving.client.sync_client import BreedClient
from tests.pictures import encoded
from tests.pipeline.conftest import FirstRun, tiny_settings
from tests.serving.model_server import running

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_EPOCHS = "trainer.epochs=1"
_PATIENCE_S = 60


@dataclass(frozen=True)
class Pushed:
    """A root in which two runs of different recipes have pushed a version each."""

    root: Path
    first: int
    second: int

    @property
    def served(self) -> Path:
        return self.root / "served"


@pytest.fixture(scope="module")
def two_versions(
    first_run: FirstRun, records: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Pushed:
    root = tmp_path_factory.mktemp("two") / "root"
    shutil.copytree(first_run.untouched, root)
    [first] = list_versions(root / "served")
    second = run(_config(root, records, _EPOCHS), Console(file=io.StringIO())).outcome.pushed_path
    assert second is not None
    return Pushed(root, first, int(second.name))


@pytest.fixture
def pushed(two_versions: Pushed, tmp_path: Path) -> Pushed:
    """A root of its own for each test; what its runs reuse is the module's."""
    root = tmp_path / "root"
    shutil.copytree(two_versions.root, root)
    return Pushed(root, two_versions.first, two_versions.second)


def _config(root: Path, records: Dataset, *overrides: str) -> Config:
    return load_config(None, [*tiny_settings(root), *overrides], source=str(records.path))


def _rollback(*arguments: str | int | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_DOGBREED, "rollback", *map(str, arguments)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "COLUMNS": "200"}, check=False,
    )  # fmt: skip


def test_earlier_version_is_served_again_and_both_records_say_so(pushed: Pushed) -> None:
    done = _rollback(pushed.first, "--root", pushed.root, "--reason", "poodles become huskies")

    assert done.returncode == 0, done.stderr
    versions = list_versions(pushed.served)
    assert versions[:2] == [pushed.first, pushed.second]
    copy = pushed.served / str(versions[2])
    assert f"Version {pushed.first} is served again, as version {copy.name}" in done.stdout
    assert "evaluator.min_accuracy" in done.stdout
    for path in (pushed.served / str(pushed.first)).rglob("*"):
        if path.is_file():
            twin = copy / path.relative_to(pushed.served / str(pushed.first))
            assert twin.read_bytes() == path.read_bytes()
    note = json.loads((copy / "assets.extra" / "rollback.json").read_text())
    assert (note["copy_of"], note["replaced"]) == (pushed.first, pushed.second)
    assert note["reason"] == "poodles become huskies"
    assert note["bounds"]["evaluator"]["min_accuracy"] == 0
    left = {path.name for path in pushed.served.iterdir()} - {".push.lock"}
    assert left == set(map(str, versions))

    store = open_store(pushed.root / names.METADATA_FILE)
    [execution] = store.get_executions_by_type("dogbreed.Rollback")
    versions_of = {
        event.type: store.get_artifacts_by_id([event.artifact_id])[0]
        .custom_properties["pushed_version"]
        .string_value
        for event in store.get_events_by_execution_ids([execution.id])
    }
    assert versions_of == {
        metadata_store_pb2.Event.INPUT: str(pushed.first),
        metadata_store_pb2.Event.OUTPUT: copy.name,
    }
    history = read_history(pushed.root)
    assert (history.served_version, history.served_as) == (int(copy.name), pushed.first)
    [rollback] = history.rollbacks
    assert rollback.recorded
    listed = subprocess.run(
        [_DOGBREED, "history", "--root", pushed.root], capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "250"}, check=True,
    ).stdout  # fmt: skip
    assert f"rolled back from {pushed.second} to {pushed.first}" in listed
    assert "poodles become huskies" in listed
    assert f"served now as {copy.name}" in listed


def test_callers_of_a_model_server_notice_nothing_but_the_version(
    two_versions: Pushed, photograph, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    shutil.copytree(two_versions.served, served)
    picture = tmp_path / "dog.png"
    picture.write_bytes(encoded(photograph, "PNG"))
    flags = (f"--model_base_path={served}", "--model_name=dogbreed")

    with (
        running(*flags, "--file_system_poll_wait_seconds=1") as server,
        BreedClient(ClientOptions(server=f"localhost:{server.port}")) as client,
    ):
        answers = [*client.predict_many([picture])]
        done = _rollback(two_versions.first, "--destination", served)
        assert done.returncode == 0, done.stderr
        newest = newest_version(served)
        deadline = time.monotonic() + _PATIENCE_S
        while answers[-1].version != newest and time.monotonic() < deadline:
            answers += client.predict_many([picture])

    assert [answer.error for answer in answers] == [None] * len(answers)
    assert list(dict.fromkeys(answer.version for answer in answers)) == [
        two_versions.second,
        newest,
    ]
    assert "rollback.json alone: the runs' metadata is not here" in done.stdout


def test_rollback_of_a_rollback_counts_as_the_original(pushed: Pushed) -> None:
    for version in (pushed.first, pushed.second):
        assert _rollback(version, "--root", pushed.root).returncode == 0
    first_copy = list_versions(pushed.served)[-2]

    done = _rollback(first_copy, "--root", pushed.root)

    assert f"Version {pushed.first} is served again" in done.stdout
    recipe = json.loads(
        (pushed.served / str(pushed.first) / "assets.extra" / "dogbreed.json").read_text()
    )["recipe"]
    # A rerun of the first recipe is compared with nothing, as it was when it was the first run.
    assert newest_version(pushed.served, not_from_recipe=recipe) is None


def test_what_cannot_be_rolled_back_to_is_one_clear_line(pushed: Pushed) -> None:
    first, second, served = pushed.first, pushed.second, pushed.served
    (served / "5").mkdir()
    shutil.copytree(served / str(first), served / "6")
    there = f"There are {second} (served now), {first}, 6."
    for arguments, said in (
        ((1,), f"{served} has no version 1. {there}"),
        ((second,), f"Version {second} is the one that is served already."),
        ((5,), f"{served / '5'} holds no model: it has no saved_model.pb."),
        ((6,), f"No run below {pushed.root} has pushed version 6, so nothing says that it was "),
    ):
        done = _rollback(*arguments, "--root", pushed.root)
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {said}")
        assert done.stderr.count("\n") == 1
    with only_run_below(pushed.root):
        assert "Another run is at work" in _rollback(first, "--root", pushed.root).stderr
    assert "holds no version of a model" in _rollback(1, "--destination", "nowhere").stderr
    _rollback(first, "--root", pushed.root)
    copy = newest_version(served)
    done = _rollback(first, "--root", pushed.root)
    assert done.stderr == f"Error: Version {first} is served already, as its copy {copy}.\n"


def test_full_disk_leaves_what_was_served(pushed: Pushed, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(path.stat().st_size for path in pushed.served.rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size + 200_000}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and a machine that lets it")
    try:
        shutil.copytree(pushed.served, disk / "served")
        done = _rollback(pushed.first, "--destination", disk / "served")
        left = sorted(path.name for path in (disk / "served").iterdir())
    finally:
        subprocess.run(["umount", disk], check=True)

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert left == [".push.lock", str(pushed.first), str(pushed.second)]


# Below a copied root everything would be trained anew; so this one, with the module's, is the last.
def test_runs_after_a_rollback_push_nothing_that_was_given_up(
    two_versions: Pushed, records: Dataset
) -> None:
    root, first, second = two_versions.root, two_versions.first, two_versions.second
    unchanged = _config(root, records, _EPOCHS)
    assert _rollback(first, "--root", root, "--reason", "poodles become huskies").returncode == 0
    versions = list_versions(two_versions.served)

    with pytest.raises(UserError) as raised:
        run(unchanged, Console(file=io.StringIO()))

    said = str(raised.value)
    assert said.startswith(f"Nothing has changed since version {second} was rolled back (")
    assert "poodles become huskies): the same model would be pushed once more." in said
    assert "evaluator.min_accuracy" in said
    assert "--fresh" in said

    # With another bound it may have its say, and is compared with what is served again.
    bounded = _config(root, records, _EPOCHS, "evaluator.min_accuracy=1")
    finished = run(bounded, Console(file=io.StringIO()))
    assert finished.display.nodes["Trainer"] is NodeStatus.REUSED
    assert finished.outcome.pushed_path is None
    accuracy = read_history(root).runs[0].figures["accuracy"]
    assert finished.outcome.baseline["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert list_versions(two_versions.served) == versions

    # Served again itself, it is as it was: an unchanged run has nothing to do.
    assert _rollback(second, "--root", root).returncode == 0
    versions = list_versions(two_versions.served)
    finished = run(unchanged, Console(file=io.StringIO()))
    console = Console(file=io.StringIO(), width=160)
    report_run(unchanged, finished, console)
    assert set(finished.display.nodes.values()) == {NodeStatus.REUSED}
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"served   version {versions[-1]}, its copy, since a rollback" in said
    assert list_versions(two_versions.served) == versions
