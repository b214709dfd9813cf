"""Steps in real containers: what goes wrong there.

They need a container engine and the project's image, which the environment variable DOGBREED_IMAGE
names; see kubernetes/rehearse-on-bare-debian.sh.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from foundation.errors import UserError
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.rehearsal.containers import Containers
from pipeline.kubeflow.rehearsal.steps import Mount, why_failed
from pipeline.kubeflow.rehearsal.tasks import Task, tasks_in_order

pytestmark = pytest.mark.slow

IMAGE = os.environ.get("DOGBREED_IMAGE", "")


@pytest.fixture(scope="module")
def containers() -> Containers:
    if not IMAGE:
        pytest.skip("DOGBREED_IMAGE names no image")
    runner = Containers.connect({IMAGE}, required=False)
    if runner is None:
        pytest.skip(f"no container engine answers that has the image {IMAGE}")
    return runner


@pytest.fixture
def pusher(package: Package) -> Task:
    [task] = [task for task in tasks_in_order(package) if task.node == "Pusher"]
    container = {**task.container, "image": IMAGE}
    return replace(task, executor={"container": container}, kubernetes={})


def test_exit_code_and_last_lines_of_a_container_are_kept(
    containers: Containers, pusher: Task, tmp_path: Path
) -> None:
    command = ["sh", "-c", "echo one; echo two >&2; exit 3"]

    end = containers.run(pusher, command, [], {}, tmp_path / "log")

    assert end.exit_code == 3
    assert end.tail == ("one", "two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert why_failed(pusher, end) == "exit code 3: two"


def test_push_to_a_read_only_volume_is_one_clear_line(
    containers: Containers, pusher: Task, tmp_path: Path
) -> None:
    message = {
        "inputs": {"parameterValues": {"pipeline_push_destination": "/models/sample"}},
        "outputs": {"outputFile": "/tmp/output.json"},
    }
    command = [
        part.replace("{{$}}", json.dumps(message))
        for part in (*pusher.container["command"], *pusher.container["args"])
    ]
    mount = Mount("/models", tmp_path / "models", read_only=True)
    mount.folder.mkdir()

    end = containers.run(pusher, command, [mount], {}, tmp_path / "log")

    assert end.exit_code == 1
    assert why_failed(pusher, end).startswith(
        "The push destination /models/sample cannot be written: Read-only file system."
    )


def test_step_beyond_its_memory_limit_says_so(
    containers: Containers, pusher: Task, tmp_path: Path
) -> None:
    resources = {**pusher.container["resources"], "memoryLimit": 0.1}
    small = replace(pusher, executor={"container": {**pusher.container, "resources": resources}})
    command = ["python", "-c", "held = [bytearray(1 << 20) for _ in range(400)]"]

    end = containers.run(small, command, [], {}, tmp_path / "log")

    assert end.exit_code == 137
    assert "memory" in why_failed(small, end)
    assert "0.1 GB" in why_failed(small, end)


def test_step_beyond_its_time_limit_is_stopped(
    containers: Containers, pusher: Task, tmp_path: Path
) -> None:
    hasty = replace(pusher, kubernetes={"activeDeadlineSeconds": "1"})

    end = containers.run(hasty, ["sleep", "60"], [], {}, tmp_path / "log")

    assert why_failed(hasty, end) == "it was stopped at its time limit of 1 s"


def test_engine_without_the_image_is_one_clear_line(containers: Containers) -> None:
    with pytest.raises(UserError, match=r"has no image no-such-image:1\. Build it"):
        Containers.connect({"no-such-image:1"}, required=True)
    assert Containers.connect({"no-such-image:1"}, required=False) is None


def test_no_engine_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(UserError, match="No container engine answers: start docker"):
        Containers.connect({IMAGE}, required=True)
