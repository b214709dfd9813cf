"""`dogbreed runs` and `dogbreed logs`."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.submit.conftest import DOGBREED, Dogbreed, environment
from tests.submit.stand_in import StandIn

pytestmark = pytest.mark.slow


@pytest.fixture
def run_id(kubeflow: StandIn, dogbreed: Dogbreed, package: Path) -> str:
    """A run that stands at Trainer, whose first try broke down."""
    kubeflow.behaviour.hold_at = "trainer"
    kubeflow.behaviour.tries["trainer"] = 2
    started = dogbreed("submit", package, "--param=data=/data", "--host", kubeflow.url)
    assert started.returncode == 0, started.stderr
    (run_id,) = kubeflow.runs
    kubeflow.runs[run_id].tick = 5
    return run_id


def test_runs_are_listed_the_newest_first(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    older, newer = _two_runs(kubeflow, dogbreed, package)

    done = dogbreed("runs", DOGBREED_KFP_HOST=kubeflow.url, COLUMNS="80")

    assert done.returncode == 0, done.stderr
    _, first, second = done.stdout.splitlines()
    (version,) = kubeflow.versions.values()
    assert first.split()[:2] == [newer, "pending"]
    assert first.split()[-2:] == ["newer", version["display_name"]]
    assert re.search(rf"^{older} +succeeded +\d{{4}}-\d\d-\d\d \d\d:\d\d +\d+:\d\d:\d\d ", second)

    one = dogbreed("runs", "--limit=1", "--host", kubeflow.url)
    of_older = dogbreed("runs", "--experiment=older", "--host", kubeflow.url)
    of_none = dogbreed("runs", "--experiment=none", "--host", kubeflow.url)

    assert newer in one.stdout
    assert older not in one.stdout
    assert older in of_older.stdout
    assert newer not in of_older.stdout
    assert "has no experiment none" in of_none.stderr


def test_a_terminal_of_80_columns_holds_a_run_in_a_line(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path, tmp_path: Path
) -> None:
    older, newer = _two_runs(kubeflow, dogbreed, package)

    shown = _in_a_terminal(["runs", "--host", kubeflow.url], tmp_path)
    wide = _in_a_terminal(["runs", "--wide", "--host", kubeflow.url], tmp_path)

    _, first, second = shown.splitlines()
    assert max(map(len, shown.splitlines())) <= 80
    assert first.split()[:2] == [newer[:8], "pending"]
    assert re.search(
        rf"^{older[:8]} +succeeded +\S+ \d\d:\d\d +\d+:\d\d:\d\d +older$", second.rstrip()
    )
    assert newer in wide
    assert dogbreed("logs", older[:8], "--step=Trainer", "--host", kubeflow.url).stdout


def _two_runs(kubeflow: StandIn, dogbreed: Dogbreed, package: Path) -> list[str]:
    """Starts runs called older and newer; the first has ended."""
    for name in ("older", "newer"):
        dogbreed(
            "submit", package, "--param=data=/data", "--name", name, "--experiment", name,
            "--host", kubeflow.url,
        )  # fmt: skip
    older, newer = kubeflow.runs
    kubeflow.runs[older].tick = 100
    return [older, newer]


def _in_a_terminal(arguments: list[str], cwd: Path) -> str:
    terminal, its_end = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as output:
        with os.fdopen(its_end, "wb") as end:
            subprocess.run(
                [DOGBREED, *arguments], cwd=cwd, stdout=end, check=True, timeout=60,
                env=environment(COLUMNS="80", TERM="dumb"),
            )  # fmt: skip
        return output.read(100_000).decode().replace("\r\n", "\n")


def test_logs_are_those_of_the_step_at_work_and_of_its_last_try(
    of_either_version: StandIn, dogbreed: Dogbreed, run_id: str
) -> None:
    kubeflow = of_either_version
    kubeflow.behaviour.logs["trainer"] = "epoch 1 \N{DOG FACE}\n"

    assert dogbreed("logs", run_id, "--host", kubeflow.url).stdout == "epoch 1 \N{DOG FACE}\n"
    other = dogbreed("logs", run_id, "--step=Transform", "--host", kubeflow.url)
    assert other.stdout == "transform at work\n"


def test_logs_come_through_the_server_of_the_page_too(
    kubeflow: StandIn, dogbreed: Dogbreed, run_id: str
) -> None:
    kubeflow.behaviour.is_page = True

    done = dogbreed("logs", run_id, "--host", f"{kubeflow.url}/")

    assert done.stdout == "trainer at work\n"
    (asked,) = kubeflow.arrived("GET", "/k8s/pod/logs")
    assert asked.query["podnamespace"] == "kubeflow"
    assert asked.query["createdat"] == "2026-11-21"


@pytest.mark.parametrize("is_page", [False, True], ids=["API server", "page"])
def test_archived_logs_are_found_when_the_pods_are_gone(
    is_page: bool, of_either_version: StandIn, dogbreed: Dogbreed, run_id: str
) -> None:
    behaviour = of_either_version.behaviour
    behaviour.is_page, behaviour.pods_gone, behaviour.archive = is_page, True, True

    done = dogbreed("logs", run_id, "--host", of_either_version.url)

    assert done.stdout == "trainer at work\n"


def test_following_a_log_goes_on_until_the_step_ends(
    kubeflow: StandIn, run_id: str, tmp_path: Path
) -> None:
    kubeflow.behaviour.logs["trainer"] = "epoch 1\n"
    process = subprocess.Popen(
        [DOGBREED, "logs", run_id, "--follow", "--interval=0.1", "--host", kubeflow.url],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    threading.Timer(60, process.kill).start()
    assert process.stdout.readline() == "epoch 1\n"
    kubeflow.behaviour.logs["trainer"] += "epoch 2\n"
    assert process.stdout.readline() == "epoch 2\n"
    kubeflow.behaviour.logs["trainer"] += "epoch 3\n"
    kubeflow.behaviour.hold_at = None

    rest, _ = process.communicate(timeout=60)

    assert rest == "epoch 3\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--step=Trainor"],
            "has no step Trainor. So far there are import-example-gen, ",
        ),
        (["--step=Transform"], "No log of transform to be had: "),
        (["--step=ImportExampleGen"], "import-example-gen has had no pod: its result was known"),
    ],
)
def test_a_log_that_is_not_there_is_one_clear_line(
    arguments: list[str], said: str, kubeflow: StandIn, dogbreed: Dogbreed, run_id: str
) -> None:
    kubeflow.behaviour.pods_gone = True
    kubeflow.behaviour.reused = {"import-example-gen"}

    done = dogbreed("logs", run_id, *arguments, "--host", kubeflow.url)

    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_without_its_workflow_says_what_is_gone(
    kubeflow: StandIn, dogbreed: Dogbreed, run_id: str
) -> None:
    kubeflow.behaviour.copy_gone = True

    done = dogbreed("logs", run_id, "--host", kubeflow.url)

    assert done.returncode == 1
    assert "no longer has the run's workflow, which alone tells where its logs are" in done.stderr


def test_a_run_that_is_not_there_is_one_clear_line(kubeflow: StandIn, dogbreed: Dogbreed) -> None:
    done = dogbreed("logs", "0a1b", "--host", kubeflow.url)

    assert done.returncode == 1
    assert "has no run 0a1b. 'dogbreed runs' lists those it has." in done.stderr
