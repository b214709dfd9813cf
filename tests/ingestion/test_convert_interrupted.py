"""Conversions that are stopped from outside, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.options import ConvertOptions

pytestmark = pytest.mark.slow

_SCRIPT = """
import sys, threading, time
from pathlib import Path
from ingestion.conversion import convert
from foundation.errors import DatasetError
from ingestion.options import ConvertOptions

def report(progress):
    print(progress.stage, progress.done, flush=True)
    if progress.done:
        time.sleep(0.2)

if sys.argv[3] == "spawn":  # a second thread makes a fork unsafe
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
# Without `if __name__ == "__main__"`, which workers must not need.
try:
    convert(sys.argv[1], Path(sys.argv[2]), ConvertOptions(workers=2), report)
except KeyboardInterrupt:
    sys.exit(130)
except DatasetError as error:
    sys.exit(str(error))
"""


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _assert_end(pids: list[int]) -> None:
    assert pids
    deadline = time.monotonic() + 10
    while running := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


@pytest.fixture
def source(make_folders: Any) -> Path:
    """Enough pictures for several batches in each worker."""
    folder: Path = make_folders(beagle=400, pug=400)
    return folder


@pytest.fixture(params=["fork", "spawn"])
def running(
    source: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    """A conversion to tmp_path/out whose first pictures are done."""
    script = tmp_path / "run.py"
    script.write_text(_SCRIPT)
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, str(script), str(source), str(tmp_path / "out"), request.param],
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        # A shell has what it starts in the background ignore interrupts, and so would our child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, as a terminal makes
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Converting"):
                    break
            else:
                pytest.fail(f"ended early: {process.stderr and process.stderr.read()}")
            yield process
        finally:
            process.kill()


def test_ctrl_c_ends_at_once_and_leaves_nothing(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    children = _children(running.pid)

    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=10)

    assert (running.returncode, errors) == (130, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "run.py"]
    _assert_end(children)


def test_sigterm_is_one_line_and_leaves_nothing(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    children = _children(running.pid)

    running.terminate()
    _, errors = running.communicate(timeout=10)

    assert running.returncode == 1
    assert errors == f"Stopped by SIGTERM: nothing was written to {tmp_path / 'out'}.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "run.py"]
    _assert_end(children)


def test_second_conversion_is_refused_and_after_kill_9_the_rest_is_cleared(
    running: subprocess.Popen[str], source: Path, tmp_path: Path
) -> None:
    children = _children(running.pid)
    with pytest.raises(DatasetError, match="is being written by another conversion"):
        convert(str(source), tmp_path / "out", ConvertOptions())

    running.kill()
    running.wait(timeout=10)

    _assert_end(children)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.partial").exists()
    dataset = convert(str(source), tmp_path / "out", ConvertOptions(workers=1))
    assert sum(split.num_examples for split in dataset.splits.values()) == 800
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "out", "run.py"]


def test_worker_that_is_killed_is_said_and_leaves_nothing(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    for pid in _children(running.pid):
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            break

    _, errors = running.communicate(timeout=10)

    assert running.returncode == 1
    assert errors.startswith("A worker process was ended from outside")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "run.py"]
