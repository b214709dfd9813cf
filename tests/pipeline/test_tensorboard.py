"""`dogbreed tensorboard` as a process: which training it finds, and what it answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from foundation.errors import UserError
from trainer.training.logs import last_training, last_training_of_any_run

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_PATIENCE_S = 60


def _finished(root: Path, execution: int) -> Path:
    return root / "artifacts" / "Trainer" / "model_run" / str(execution)


def _unfinished(root: Path, key: str) -> Path:
    return root / "checkpoints" / key / "logs"


def _train(logs: Path, *, written_at: float, accuracy: float = 0.5) -> Path:
    """Leaves the logs that a training would, last written at a given time."""
    with tf.summary.create_file_writer(str(logs / "train")).as_default():
        tf.summary.scalar("epoch_accuracy", accuracy, step=3)
    for events in (logs / "train").iterdir():
        os.utime(events, (written_at, written_at))
    return logs


@contextmanager
def _serving(*arguments: str | Path, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Starts the command; yields it with what it printed and its address."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        [_DOGBREED, "tensorboard", *arguments], cwd=cwd, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell has what it starts in the background ignore interrupts, and so would our child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        address = next((word for word in said.split() if word.startswith("http")), "")
        if not address:
            pytest.fail(f"{said}{process.communicate(timeout=_PATIENCE_S)[1]}")
        yield process, said, address
    finally:
        process.kill()
        process.communicate()


def _run_names(address: str) -> dict[str, Any]:
    """Asks until TensorBoard has read the logs."""
    tags: dict[str, Any] = {}
    for _ in range(_PATIENCE_S * 2):
        with urllib.request.urlopen(f"{address}data/plugin/scalars/tags") as answer:
            tags = json.load(answer)
        if tags:
            break
    return tags


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def test_last_finished_training_is_the_one_of_the_highest_number(tmp_path: Path) -> None:
    _train(_finished(tmp_path, 9), written_at=200)
    newest = _train(_finished(tmp_path, 10), written_at=200)
    _train(_unfinished(tmp_path, "abc"), written_at=100)
    _finished(tmp_path, 11).mkdir()  # a training that left no logs

    logs = last_training(tmp_path)

    assert logs.path == newest
    assert str(logs).startswith(f"training 10 of {tmp_path}, finished ")


def test_training_at_work_wins_over_an_older_finished_one(tmp_path: Path) -> None:
    _train(_finished(tmp_path, 10), written_at=200)
    _train(_unfinished(tmp_path, "old"), written_at=100)
    newest = _train(_unfinished(tmp_path, "new"), written_at=300)

    logs = last_training(tmp_path)

    assert logs.path == newest
    assert "at work or was interrupted" in str(logs)


def test_logs_that_were_copied_from_the_checkpoints_count_as_finished(tmp_path: Path) -> None:
    _train(_unfinished(tmp_path, "key"), written_at=300)
    finished = _train(_finished(tmp_path, 4), written_at=300)

    assert last_training(tmp_path).path == finished


def test_newest_training_of_all_runs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(_finished(tmp_path / "runs" / "early", 7), written_at=100)
    _train(_finished(tmp_path / "runs" / "late", 3), written_at=200)
    (tmp_path / "runs" / "note.txt").touch()
    monkeypatch.chdir(tmp_path)

    assert str(last_training_of_any_run()).startswith("training 3 of runs/late, finished ")


def test_folder_without_a_training_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"Nothing was trained below {tmp_path} yet"):
        last_training(tmp_path)


def test_command_serves_the_last_training_until_it_is_interrupted(tmp_path: Path) -> None:
    _train(_finished(tmp_path / "runs" / "toys", 5), written_at=100)
    port = _free_port()

    with _serving("--port", str(port), cwd=tmp_path) as (process, said, address):
        assert "training 5 of runs/toys, finished" in said
        assert address == f"http://localhost:{port}/"
        assert list(_run_names(address)) == ["train"]
        with urllib.request.urlopen(f"{address}data/plugin/images/tags") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=_PATIENCE_S)

    assert process.returncode == 0
    assert complaints == ""
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address)


def test_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    _train(_finished(tmp_path, 5), written_at=100)
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [_DOGBREED, "tensorboard", "--root", tmp_path, "--port", str(port)],
            capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: Port {port} is in use. Name another with --port, or none for the first free one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [((), "runs/"), (("--set", "name=other"), "runs/other"), (("--root", "here"), "here")],
)
def test_no_training_yet_is_one_clear_line(
    arguments: tuple[str, ...], folder: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [_DOGBREED, "tensorboard", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == (
        f"Error: Nothing was trained below {folder} yet. 'dogbreed run' trains; name the folder of "
        "another run with --root.\n"
    )
