from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.pusher import PusherExecutor
from serving.versions import list_versions

_MODEL_BYTES = 600_000


@pytest.fixture
def push(tmp_path: Path):
    """Returns a function that pushes a model: (destination, blessed) -> PushedModel artifact."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    serving = Path(path_utils.serving_model_dir(model.uri))
    (serving / "variables").mkdir(parents=True)
    (serving / "variables" / "variables.data").write_bytes(os.urandom(_MODEL_BYTES))
    (serving / "saved_model.pb").write_bytes(b"graph")

    def do(destination: Path, *, blessed: bool = True) -> standard_artifacts.PushedModel:
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", int(blessed))
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(destination))
        PusherExecutor(BaseExecutor.Context(tmp_dir=str(tmp_path))).Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(
                    pusher_pb2.PushDestination(filesystem=filesystem)
                )
            },
        )
        return pushed

    return do


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for less than the model."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_blessed_model_becomes_a_version_and_the_artifact_says_which(push, tmp_path: Path) -> None:
    pushed = push(tmp_path / "served")

    [version] = list_versions(tmp_path / "served")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == str(version)
    served = tmp_path / "served" / str(version)
    assert pushed.get_string_custom_property("pushed_destination") == str(served)
    assert (served / "variables" / "variables.data").stat().st_size == _MODEL_BYTES
    assert [path.name for path in (tmp_path / "served").iterdir()] == [str(version)]


def test_refused_model_leaves_no_trace_in_the_destination(push, tmp_path: Path) -> None:
    pushed = push(tmp_path / "served", blessed=False)

    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "served").exists()


def test_two_pushes_in_one_second_are_two_versions(push, tmp_path: Path) -> None:
    push(tmp_path / "served")
    push(tmp_path / "served")

    first, second = list_versions(tmp_path / "served")
    assert second > first


def test_push_to_a_full_disk_leaves_no_version_behind(push, small_disk: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)no space|exhausted|enospc"):
        push(small_disk)

    assert list(small_disk.iterdir()) == []


def test_remains_of_a_killed_push_are_cleared_by_the_next(push, tmp_path: Path) -> None:
    half = tmp_path / "served" / ".incoming" / "123"
    half.mkdir(parents=True)
    (half / "saved_model.pb").touch()

    push(tmp_path / "served")

    [version] = list_versions(tmp_path / "served")
    assert version != 123
    assert not (tmp_path / "served" / ".incoming").exists()
