"""The `dogbreed` command as a process: help, errors, signals."""

from __future__ import annotations

import csv
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from foundation.versions import list_versions
from ingestion.dataset import Dataset
from tests.pipeline.conftest import tiny_settings

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_GONE = "trainer.network.weights=gone.h5"


def _dogbreed(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [_DOGBREED, *arguments], cwd=cwd, capture_output=True, text=True, env=environment,
        timeout=300, check=False,
    )  # fmt: skip


def test_help_lists_the_commands_without_importing_tensorflow(tmp_path: Path) -> None:
    assert {"run", "convert", "sample", "settings"} <= set(
        _dogbreed("--help", cwd=tmp_path).stdout.split()
    )
    code = (
        "import sys, pipeline.cli.main; "
        "print({'tensorflow', 'tfx', 'apache_beam', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--data", "nowhere"], 2, "nowhere does not exist"),
        (["run", "--config", "transfer", "--data", "a", "--set", _GONE], 2, "no file gone.h5"),
        (["weights", "check", "--set", _GONE], 2, "no file gone.h5"),
        (["run", "--config", "nowhere.yaml"], 2, "There is no configuration nowhere.yaml"),
        (["run", "--set", "trainer.epoks=1"], 2, "Did you mean epochs?"),
        (["run", "--set", "trainer.epochs"], 2, "--set wants KEY=VALUE"),
        (["models", "vgg17"], 2, "Did you mean vgg16?"),
        (["settings", "--set", "trainer.epochs=many"], 2, "trainer.epochs: Input should be"),
        (["run", "--set", "root=/proc/none"], 1, "/proc/none cannot be written"),
        (["convert", "nowhere", "out"], 2, "nowhere does not exist"),
        (["convert", ".", "out", "--eval-share", "7"], 2, "--eval-share:"),
        (["convert", ".", "out", "--max-rejected", "7"], 2, "--max-rejected:"),
        (["convert", "--layout", "spiral", ".", "out"], 2, "spiral"),
        (["bark"], 2, "bark"),
    ],
)
def test_bad_input_ends_with_one_clear_line(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = _dogbreed(*arguments, cwd=tmp_path)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "nowhere"], True),
        (["--data", "nowhere", "--set", "trainer.epochs=3"], True),
        (["--data", "nowhere", "--set", "trainer.network=lenet5"], False),
        (["--data", "nowhere", "--config", "sample"], False),
    ],
)
def test_who_brings_pictures_and_no_network_is_told_of_transfer_learning(
    arguments: list[str], told: bool, tmp_path: Path
) -> None:
    done = _dogbreed("run", *arguments, cwd=tmp_path)

    assert ("--config transfer" in done.stdout) == told


@pytest.mark.parametrize("name", ["no", "..", "2024 Dögs!", "x" * 200])
def test_folder_of_any_name_gives_the_run_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "here" / "empty").mkdir(parents=True)
    data = tmp_path / "here" / "empty" / name
    if name != "..":
        data.mkdir()

    done = _dogbreed("run", "--data", data, cwd=tmp_path)

    assert done.returncode == 1
    assert "configuration" not in done.stderr
    assert str(data) in done.stderr


def test_slice_that_the_records_lack_is_named_before_anything_runs(
    records: Dataset, tmp_path: Path
) -> None:
    done = _dogbreed(
        "run", "--data", records.path, "--set", "evaluator.slices=[color]",
        "--set", f"root={tmp_path / 'root'}", cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 2
    assert "no feature color" in done.stderr
    assert "colour" in done.stderr
    assert not (tmp_path / "root" / "metadata.sqlite").exists()


def test_full_disk_under_the_metadata_is_one_clear_line(records: Dataset, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and a machine that lets it")
    try:
        done = _dogbreed(
            "run", "--data", records.path, "--set", f"root={disk / 'root'}", cwd=tmp_path
        )
    finally:
        subprocess.run(["umount", disk], check=True)

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "full" in done.stderr


def test_sample_then_convert_say_what_they_wrote_and_what_comes_next(tmp_path: Path) -> None:
    drawn = _dogbreed("sample", "toys [1]", "--per-breed", "4", cwd=tmp_path)
    _, *next_command = shlex.split(drawn.stdout.splitlines()[-1])
    done = _dogbreed(*next_command, "--split", "every-5th", "--eval-share", "0.5", cwd=tmp_path)

    assert "Wrote toys [1]/toy-dogs.tar" in drawn.stdout
    assert "12 train, 12 eval pictures" in done.stdout
    assert (tmp_path / "toys [1]" / "records" / "dataset.json").is_file()
    assert shlex.split(done.stdout.splitlines()[-1])[1:] == ["run", "--data", "toys [1]/records"]


def test_settings_lists_every_key_with_its_meaning(tmp_path: Path) -> None:
    said = _dogbreed("settings", cwd=tmp_path).stdout

    assert "trainer.network.input_px" in said
    assert "Passes over the training split." in said


def test_settings_of_another_network_are_listed(tmp_path: Path) -> None:
    said = _dogbreed("settings", "--set", "trainer.network=transfer", cwd=tmp_path).stdout

    assert "trainer.network.backbone" in said


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert _dogbreed("--version", cwd=tmp_path).stdout == f"dogbreed {version('dogbreed')}\n"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("logical_devices", [1, 2])
def test_run_that_is_interrupted_then_killed_goes_on_where_it_stopped(
    records: Dataset, tmp_path: Path, logical_devices: int
) -> None:
    root = tmp_path / "root"
    overrides = [
        *tiny_settings(root), "trainer.epochs=6", f"trainer.logical_devices={logical_devices}",
    ]  # fmt: skip
    settings = [word for setting in overrides for word in ("--set", setting)]
    command = [_DOGBREED, "run", "--data", records.path, *settings]

    interrupted = _stopped_after(command, "Trainer: epoch 2/6", signal.SIGINT)
    assert interrupted.returncode == 130
    assert "Interrupted. Run the same command again" in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    killed = _stopped_after(command, "Trainer: epoch 4/6", signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert "Transform: reused" in killed.stdout
    assert "Trainer: epoch 3/6" in killed.stdout
    assert "Trainer: epoch 2/6" not in killed.stdout
    assert list((root / "artifacts" / "Trainer" / "model").iterdir())

    done = _dogbreed(*command[1:], cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Transform: reused" in done.stdout
    assert "Trainer: epoch 6/6" in done.stdout
    assert "Blessed and pushed" in done.stdout
    assert len(list_versions(root / "served")) == 1
    # What the killed training had half-written is gone: one model is left, the finished one.
    assert len(list((root / "artifacts" / "Trainer" / "model").iterdir())) == 1
    assert not list((root / "checkpoints").iterdir())
    [logs] = (root / "artifacts" / "Trainer" / "model_run").iterdir()
    with (logs / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [int(row["step"]) for row in rows] == [6, 12, 18, 24, 30, 36]
    for curve in ("train", "validation"):
        events = EventAccumulator(str(logs / curve))
        events.Reload()
        assert {event.step for event in events.Tensors("epoch_accuracy")} == set(range(6))


@pytest.mark.slow
def test_terminal_shows_the_live_table_and_none_of_the_libraries_noise(
    records: Dataset, tmp_path: Path
) -> None:
    settings = [word for setting in tiny_settings(tmp_path) for word in ("--set", setting)]
    try:
        terminal, its_end = os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal to be had here: {error}")
    process = subprocess.Popen(
        [_DOGBREED, "run", "--data", records.path, *settings],
        stdin=its_end, stdout=its_end, stderr=its_end,
    )  # fmt: skip
    os.close(its_end)

    screen = bytearray()
    # Linux says EIO where the other end has been closed.
    with suppress(OSError):
        while chunk := os.read(terminal, 4096):
            screen += chunk
    os.close(terminal)

    shown = screen.decode()
    assert process.wait() == 0, shown
    assert "Loading TensorFlow and TFX" in shown
    assert "waiting" in shown
    assert "Blessed and pushed" in shown
    for noise in ("WARNING", "INFO", "absl", "Adapting", "tensorflow/"):
        assert noise not in shown
    [log] = (tmp_path / "logs").iterdir()
    assert "absl" in log.read_text()


def test_terminal_shows_that_tensorflow_is_being_loaded(tmp_path: Path) -> None:
    try:
        terminal, its_end = os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal to be had here: {error}")
    process = subprocess.Popen([_DOGBREED, "models", "lenet5"], stdout=its_end, stderr=its_end)
    os.close(its_end)

    screen = bytearray()
    with suppress(OSError):  # Linux says EIO where the other end has been closed
        while chunk := os.read(terminal, 4096):
            screen += chunk
    os.close(terminal)

    assert process.wait() == 0
    waiting, _, layers = screen.decode().partition("lenet5: 28x28x1")
    assert "Loading TensorFlow" in waiting
    assert "Layer" in layers


def _stopped_after(
    command: list[str | Path], line_start: str, number: signal.Signals
) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        # A shell has what it starts in the background ignore interrupts, and so would our child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(line_start):
            process.send_signal(number)
            break
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, "".join(seen) + stdout, stderr)
