"""`dogbreed history` and `dogbreed report` on a real root: what they say of its runs."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.report import component
from foundation.errors import RunFailedError, UserError
from foundation.lock import only_run_below
from foundation.names import FACTS_FILE, REPORT_FILE, REPORT_TYPE
from ingestion.dataset import Dataset
from pipeline.config.load import load_config
from pipeline.history import record_names as names
from pipeline.history.changes import changes
from pipeline.history.choose_run import choose_run
from pipeline.history.metadata_copy import open_store
from pipeline.history.read_runs import read_history
from pipeline.history.record import RunRecord, end_recorded
from pipeline.history.record_names import State
from tests.pipeline.conftest import FirstRun, tiny_settings

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")


def _dogbreed(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    inherited = {name: value for name, value in os.environ.items() if name not in screens}
    return subprocess.run(
        [_DOGBREED, *arguments], capture_output=True, text=True, timeout=120, check=False,
        env={**inherited, "COLUMNS": "200", **environment},
    )  # fmt: skip


@pytest.fixture
def root(first_run: FirstRun, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_run.untouched, tmp_path / "root"))


def _begin(root: Path, records: Dataset, *overrides: str) -> RunRecord:
    """Records the beginning of a run, as the runner does once TFX has made its context."""
    config = load_config(None, [*tiny_settings(root), *overrides], source=str(records.path))
    now = datetime.datetime.now(datetime.timezone.utc)
    record = RunRecord(config, records, "c0ffee-dirty", now)
    store = open_store(root / names.METADATA_FILE)
    [context_type] = [each for each in store.get_context_types() if each.name == names.RUN_CONTEXT]
    store.put_contexts([metadata_store_pb2.Context(type_id=context_type.id, name=record.run_name)])
    record.begin(store)
    time.sleep(0.002)  # runs are told apart by the millisecond
    return record


@pytest.fixture
def four_runs(root: Path, records: Dataset) -> Path:
    """A root with the real run and three more: refused, failed, killed."""
    miss = "accuracy 0.333 misses its bound 1.000 by 0.667"
    refused = _begin(root, records, "evaluator.min_accuracy=1")
    figures = {"accuracy": 1 / 3, "top_5_accuracy": 0.75}
    refused.end(State.REFUSED, **{names.REASONS: json.dumps([miss]), **figures})
    failed = _begin(root, records, "trainer.epochs=9")
    with pytest.raises(RunFailedError), end_recorded(failed):
        raise RunFailedError("Trainer", "the loss is not finite at step 3", root / "logs")
    _begin(root, records, "trainer.network.blocks=[1,2]", "trainer.epochs=9")
    return root


def test_real_run_is_recorded_with_all_there_is_to_say(
    first_run: FirstRun, root: Path, records: Dataset
) -> None:
    [run] = read_history(root).runs

    outcome = first_run.finished.outcome
    assert run.state is State.PUSHED
    assert outcome.pushed_path is not None
    assert run.pushed_version == outcome.pushed_path.name
    # SQLite is handed six digits.
    assert run.figures["accuracy"] == pytest.approx(outcome.figures["accuracy"], abs=1e-6)
    assert run.figures["top_5_accuracy"] == pytest.approx(
        outcome.figures["top_5_accuracy"], abs=1e-6
    )
    assert run.num_eval_examples == outcome.num_eval_examples
    assert run.data_fingerprint == records.fingerprint
    assert run.configuration["trainer"]["epochs"] == 20
    assert [node.name for node in run.nodes] == list(first_run.finished.display.nodes)
    assert run.elapsed_s is not None
    assert run.elapsed_s > sum(node.elapsed_s or 0 for node in run.nodes)
    assert run.report is not None
    assert run.report.is_relative_to(first_run.root) or run.report.is_relative_to(root)


def test_table_says_of_each_run_what_changed_and_what_became_of_it(
    first_run: FirstRun, four_runs: Path
) -> None:
    version = first_run.finished.outcome.pushed_path.name  # type: ignore[union-attr]

    done = _dogbreed("history", "--root", four_runs)

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"pushed {version}, served now" in said
    assert re.search(
        r"0\.333 0\.750 [- ]*refused: accuracy 0\.333 misses its bound 1\.000 by", said
    )
    assert "evaluator.min_accuracy 0.0 → 1.0" in said
    assert "failed at Trainer" in said
    assert "trainer.epochs 20 → 9" in said
    assert "interrupted" in said
    assert "trainer.network.blocks [1, 1] → [1, 2]" in said
    assert f"Served now: version {version} of {four_runs / 'served'}." in said


def test_run_in_progress_is_told_from_a_killed_one(four_runs: Path, records: Dataset) -> None:
    assert read_history(four_runs).runs[-1].state is State.INTERRUPTED

    with only_run_below(four_runs):
        # Who holds the lock came after the killed run.
        assert read_history(four_runs).runs[-1].state is State.INTERRUPTED
        _begin(four_runs, records)
        states = [run.state for run in read_history(four_runs).runs]

    assert states[-2:] == [State.INTERRUPTED, State.RUNNING]
    assert read_history(four_runs).runs[-1].state is State.INTERRUPTED


def test_json_is_everything_for_programs(four_runs: Path) -> None:
    said = json.loads(_dogbreed("history", "--root", four_runs, "--json").stdout)

    assert [run["state"] for run in said["runs"]] == ["pushed", "refused", "failed", "interrupted"]
    assert [run["number"] for run in said["runs"]] == [1, 2, 3, 4]
    assert said["runs"][2]["failed_node"] == "Trainer"
    assert said["runs"][2]["reasons"] == ["the loss is not finite at step 3"]
    assert said["runs"][2]["git_commit"] == "c0ffee-dirty"
    assert said["runs"][2]["changes"]["trainer.epochs"] == {"before": 20, "after": 9}
    assert said["runs"][3]["seconds"] is None
    assert str(said["served"]["version"]) == said["runs"][0]["pushed_version"]


def test_two_runs_side_by_side_differ_in_settings_figures_and_breeds(
    four_runs: Path, tmp_path: Path
) -> None:
    _report_of(four_runs, 2, {"Toy Poodle": 0.5, "Toy Husky": 0.25, "Toy Collie": 1.0})
    _report_of(four_runs, 3, {"Toy Poodle": 0.75, "Toy Husky": 1.0, "Toy Collie": 1.0})

    done = _dogbreed("history", "2", "last-1", "--root", four_runs)

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "trainer.epochs 20 9" in said
    assert "evaluator.min_accuracy 1.0 0.0" in said
    assert "Toy Husky 0.250 1.000 +0.750 Toy Poodle 0.500 0.750 +0.250" in said
    assert "2 better, 0 worse, 1 the same" in said
    alone = _dogbreed("history", "3", "--root", four_runs).stdout
    assert alone == done.stdout


def test_runs_of_an_earlier_version_are_listed_with_what_there_is(
    first_run: FirstRun, root: Path
) -> None:
    store = open_store(root / names.METADATA_FILE)
    [context] = store.get_contexts_by_type(names.RUN_CONTEXT)
    _without_properties(root, context.id)

    [run] = read_history(root).runs

    assert run.state is State.PUSHED
    assert run.pushed_version == first_run.finished.outcome.pushed_path.name  # type: ignore[union-attr]
    assert not run.figures
    assert run.elapsed_s is not None
    assert run.configuration["trainer"]["epochs"] == 20
    assert changes(run.configuration, {"trainer": {"epochs": 9}, "pusher": {}})[0].after == 9
    assert _dogbreed("history", "--root", root).returncode == 0


def test_change_that_a_killed_run_has_begun_is_undone_in_the_copy_alone(root: Path) -> None:
    path = root / names.METADATA_FILE
    writer = (
        "import os, sqlite3, sys\n"
        "store = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "store.execute('PRAGMA cache_size = 1')\n"  # so that pages are written before the end
        "store.execute('BEGIN')\n"
        "store.execute('UPDATE Execution SET last_known_state = 4')\n"
        "store.execute('DELETE FROM Context')\n"
        "store.execute('DELETE FROM ExecutionProperty')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", writer, path], check=False)
    journal = path.with_name(f"{path.name}-journal")
    assert journal.is_file()
    before = path.read_bytes(), journal.read_bytes()

    [run] = read_history(root).runs

    assert run.state is State.PUSHED
    assert (path.read_bytes(), journal.read_bytes()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No run is recorded in "),
        (b"", "No run is recorded in "),
        (b"no database at all" * 100, "cannot be read: it is not a metadata store"),
        (slice(0, 40_000), "cannot be read: it is damaged."),
    ],
)
def test_metadata_that_cannot_be_read_is_said_in_words(
    content: Any, said: str, root: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    if isinstance(content, slice):
        content = (root / names.METADATA_FILE).read_bytes()[content]
    if content is not None:
        (broken / names.METADATA_FILE).write_bytes(content)

    with pytest.raises(UserError, match=said):
        read_history(broken)


@pytest.mark.parametrize("command", [["history"], ["report"], ["rollback", "1"]])
def test_folder_without_runs_is_one_clear_line_and_stays_as_it_is(
    command: list[str], tmp_path: Path
) -> None:
    done = _dogbreed(*command, "--root", tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: No run is recorded in {tmp_path}: it has no metadata.sqlite. Name the folder of "
        "a run with --root.\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("9", "There is no run 9: they are numbered from 1 to 4."),
        ("last-4", "There is no run last-4"),
        ("20", "There is no run 20: "),
        ("2", "' may be any of runs 1 ("),
        ("yesterday", "There is no run 'yesterday'. Name one by its number from 1 to 4"),
    ],
)
def test_run_that_is_not_there_is_said_in_words(run: str, said: str, four_runs: Path) -> None:
    runs = read_history(four_runs).runs
    if run == "2":  # the year that all began in
        run = runs[0].name[:5]
    with pytest.raises(UserError, match=re.escape(said)):
        choose_run(runs, run)


def _report_of(root: Path, number: int, recalls: dict[str, float]) -> None:
    """Leaves the figures of a report for a run, as the Report component would."""
    folder = root / "artifacts" / "Report" / "report" / f"9{number}"
    folder.mkdir(parents=True)
    rows = [{"breed": breed, "recall": recall} for breed, recall in recalls.items()]
    (folder / FACTS_FILE).write_text(json.dumps({"breeds": rows}))
    store = open_store(root / names.METADATA_FILE)
    contexts = sorted(store.get_contexts_by_type(names.RUN_CONTEXT), key=lambda each: each.name)
    execution_type = metadata_store_pb2.ExecutionType(name="components.report.component.Report")
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(execution_type),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    artifact = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name=REPORT_TYPE)),
        uri=str(folder),
    )
    event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
    store.put_execution(execution, [(artifact, event)], [contexts[number - 1]])


def _without_properties(root: Path, context: int) -> None:
    with sqlite3.connect(root / names.METADATA_FILE) as store:
        store.execute("DELETE FROM ContextProperty WHERE context_id = ?", (context,))


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser that notes what it is shown, and is in the foreground until it is closed."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/incoming\n'
                       f"mv {tmp_path}/incoming {tmp_path}/shown\nsleep 3\n")  # fmt: skip
    program.chmod(0o755)
    return program


def test_report_prints_its_path_where_there_is_no_screen(root: Path) -> None:
    done = _dogbreed("report", "--root", root)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()
    assert Path(done.stdout.strip()).name == REPORT_FILE


def test_report_opens_a_browser_without_waiting_for_it(
    root: Path, browser: Path, tmp_path: Path
) -> None:
    page = _dogbreed("report", "--root", root, "--path", BROWSER=str(browser)).stdout.strip()
    assert not (tmp_path / "shown").exists()

    done = _dogbreed("report", "last", "--root", root, BROWSER=str(browser))

    assert done.stdout == f"Opening {page}\n"
    for _ in range(600):
        if (tmp_path / "shown").exists():
            break
        time.sleep(0.1)
    assert (tmp_path / "shown").read_text().strip() == Path(page).as_uri()


def test_run_without_a_report_says_why(four_runs: Path) -> None:
    done = _dogbreed("report", "3", "--root", four_runs)
    assert done.returncode == 1
    assert done.stderr == "Error: Run 3 left no report: it failed at Trainer.\n"


def test_report_is_found_by_the_name_that_its_component_gives_it() -> None:
    assert component.RunReport.TYPE_NAME == REPORT_TYPE
