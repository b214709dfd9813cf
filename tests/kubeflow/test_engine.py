"""The rehearsal's engine over small packages whose steps are shell commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import UserError
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.parameters import typed_parameters
from pipeline.kubeflow.rehearsal.artifacts import DEFAULT_PIPELINE_ROOT, Bucket, LocalFolders
from pipeline.kubeflow.rehearsal.engine import Engine
from pipeline.kubeflow.rehearsal.options import RehearsalOptions, records_folder
from pipeline.kubeflow.rehearsal.steps import ChildProcesses, StepFailedError
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order
from pipeline.kubeflow.system_types import HTML, METRICS, MODEL, type_schema
from pipeline.local.observer import NodeStatus
from tests.kubeflow.watcher import Watcher

pytestmark = pytest.mark.slow

SAY = """
import json, os, pathlib, sys
given = json.loads(sys.argv[1])
mounts = json.loads(os.environ["DOGBREED_MOUNTS"])
output_file = given["outputs"]["outputFile"]
for path, folder in mounts.items():
    if output_file.startswith(path):
        output_file = output_file.replace(path, folder, 1)
"""


def _package(
    script: str,
    *,
    retries: int = 0,
    kubernetes: dict[str, Any] | None = None,
    after: str = "",
    kind: str = MODEL,
) -> Package:
    """A task `first` that runs a Python script, and a task `second` that reads its output."""
    components, executors, tasks = {}, {}, {}
    for name, text in (("first", script), ("second", after)):
        command = ["python", "-c", SAY + text, "{{$}}"]
        executors[f"exec-{name}"] = {"container": {"image": "none", "command": command}}
        components[f"comp-{name}"] = {
            "executorLabel": f"exec-{name}",
            "outputDefinitions": {"artifacts": {"model": {"artifactType": type_schema(kind)}}},
        }
        tasks[name] = {
            "componentRef": {"name": f"comp-{name}"},
            "taskInfo": {"name": name},
            "retryPolicy": {"maxRetryCount": retries},
        }
    tasks["second"]["inputs"] = {
        "artifacts": {
            "model": {"taskOutputArtifact": {"producerTask": "first", "outputArtifactKey": "model"}}
        },
        "parameters": {"word": {"componentInputParameter": "word"}},
    }
    parameters = {
        "word": {"parameterType": "STRING", "defaultValue": "dog"},
        "count": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3},
    }
    platform = {"deploymentSpec": {"executors": {"exec-first": kubernetes or {}}}}
    return Package(
        {
            "pipelineInfo": {"name": "small"},
            "components": components,
            "deploymentSpec": {"executors": executors},
            "root": {"dag": {"tasks": tasks}, "inputDefinitions": {"parameters": parameters}},
        },
        {"platforms": {"kubernetes": platform}},
    )


WRITE_NOTHING = "pathlib.Path(output_file).write_text('{}')\n"


@pytest.fixture
def run_small(tmp_path: Path) -> Callable[..., tuple[Engine, Watcher]]:
    """Runs a package with plain paths, or as on a cluster."""

    def run(package: Package, *, like_cluster: bool = False) -> tuple[Engine, Watcher]:
        watcher, options = Watcher(), RehearsalOptions(tmp_path)
        exchange = (
            Bucket(tmp_path / "bucket", tmp_path / "disks", DEFAULT_PIPELINE_ROOT, "small")
            if like_cluster
            else LocalFolders(tmp_path / "artifacts")
        )
        tasks = tasks_in_order(package)
        secrets = frozenset(name for task in tasks for name in task.secrets)
        engine = Engine(
            package, options, exchange, ChildProcesses(secrets), watcher, tmp_path / "log"
        )
        engine.run(tasks)
        return engine, watcher

    return run


RunSmall = Callable[..., tuple[Engine, Watcher]]


def test_step_that_is_killed_once_is_tried_again(run_small: RunSmall, tmp_path: Path) -> None:
    mark = tmp_path / "tried"
    script = f"""
mark = pathlib.Path({str(mark)!r})
if not mark.exists():
    mark.touch()
    os.kill(os.getpid(), 9)
"""

    _, watcher = run_small(_package(script + WRITE_NOTHING, retries=1, after=WRITE_NOTHING))

    assert watcher.ended == {"first": NodeStatus.RAN, "second": NodeStatus.RAN}
    assert "=== first, attempt 2" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("script", "kubernetes", "reason"),
    [
        (
            "os.kill(os.getpid(), 9)",
            {},
            "it was killed (exit code 137): there was not enough memory",
        ),
        (
            "import time; time.sleep(60)",
            {"activeDeadlineSeconds": "1"},
            "it was stopped at its time limit of 1 s",
        ),
        ("sys.exit('no such breed')", {}, "exit code 1: no such breed"),
        ("print('dogbreed: first failed: no dogs'); sys.exit(1)", {}, "no dogs"),
        ("pass", {}, "it ended without an output file"),
        (
            "pathlib.Path(output_file).write_text('{\"dogs\": 1}')",
            {},
            "the launcher would refuse its output file",
        ),
        (
            "pathlib.Path(output_file).write_text(json.dumps({'artifacts': {'model': {'artifacts': "
            "[{'uri': 'x', 'metadata': {'blessed': None}}]}}}))",
            {},
            "the launcher would refuse its output model: blessed has no value",
        ),
    ],
)
def test_step_that_fails_ends_the_rehearsal_with_the_reason(
    run_small: RunSmall, script: str, kubernetes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StepFailedError) as raised:
        run_small(_package(script, kubernetes=kubernetes, after=WRITE_NOTHING))

    assert raised.value.node == "first"
    assert raised.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("kind", "script", "reason"),
    [
        (
            METRICS,
            """
pathlib.Path(output_file).write_text(json.dumps({'artifacts': {'model': {'artifacts': [
    {'metadata': {'accuracy': 0.9, 'tfx_version': '1.21.0'}}]}}}))
""",
            "the launcher would refuse its output model: tfx_version is no number, as figures are",
        ),
        (
            HTML,
            """
uri = given["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"]
page = pathlib.Path(mounts["/minio"] + uri[len("minio:/"):], "report.html")
page.parent.mkdir(parents=True)
page.write_text("<!doctype html>")
pathlib.Path(output_file).write_text("{}")
""",
            "Kubeflow would not show its output model: a page has to be a single file",
        ),
    ],
)
def test_what_kubeflows_page_could_not_show_fails_the_rehearsal(
    run_small: RunSmall, kind: str, script: str, reason: str
) -> None:
    package = _package(script, after=WRITE_NOTHING, kind=kind)

    with pytest.raises(StepFailedError) as raised:
        run_small(package, like_cluster=True)

    assert raised.value.reason == reason


def test_object_store_keeps_no_empty_folder(run_small: RunSmall, tmp_path: Path) -> None:
    write = """
uri = given["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"]
pathlib.Path(mounts["/minio"] + uri[len("minio:/"):], "assets").mkdir(parents=True)
"""
    read = f"""
[model] = given["inputs"]["artifacts"]["model"]["artifacts"]
there = os.path.exists(mounts["/minio"] + model["uri"][len("minio:/"):])
pathlib.Path({str(tmp_path / "seen")!r}).write_text(str(there))
"""

    run_small(_package(write + WRITE_NOTHING, after=read + WRITE_NOTHING), like_cluster=True)

    assert (tmp_path / "seen").read_text() == "False"


def test_cluster_hands_over_locations_numbers_and_a_log_output(
    run_small: RunSmall, tmp_path: Path
) -> None:
    write = """
uri = given["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"]
folder = pathlib.Path(mounts["/minio"] + uri[len("minio:/"):])
folder.mkdir(parents=True)
(folder / "weights").write_text("17")
pathlib.Path(output_file).write_text(json.dumps(
    {"artifacts": {"model": {"artifacts": [{"uri": uri, "metadata": {"blessed": 1.0}}]}}}))
"""
    read = f"""
[model] = given["inputs"]["artifacts"]["model"]["artifacts"]
folder = pathlib.Path(mounts["/minio"] + model["uri"][len("minio:/"):])
seen = {{**model, "weights": (folder / "weights").read_text(),
        "outputs": sorted(given["outputs"]["artifacts"]),
        "word": given["inputs"]["parameterValues"]["word"]}}
pathlib.Path({str(tmp_path / "seen")!r}).write_text(json.dumps(seen))
"""

    run_small(_package(write, after=read + WRITE_NOTHING), like_cluster=True)

    seen = json.loads((tmp_path / "seen").read_text())
    uri = seen.pop("uri")
    assert uri.startswith("minio://mlpipeline/v2/artifacts/small/")
    assert seen == {
        "name": "1",
        "type": type_schema(MODEL),
        "metadata": {"blessed": 1.0},
        "weights": "17",
        "outputs": ["executor-logs", "model"],
        "word": "dog",
    }
    assert (tmp_path / "bucket" / "minio" / uri.removeprefix("minio://") / "weights").is_file()


def test_secret_reaches_its_step_alone_and_is_missed_before_anything_runs(
    run_small: RunSmall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"secretName": "store", "keyToEnv": [{"envVar": "STORE_TOKEN", "secretKey": "token"}]}
    see = (
        f"pathlib.Path({str(tmp_path)!r}, '%s').write_text(os.environ.get('STORE_TOKEN', 'none'))\n"
    )
    package = _package(
        see % "first" + WRITE_NOTHING,
        kubernetes={"secretAsEnv": [secret]},
        after=see % "second" + WRITE_NOTHING,
    )

    with pytest.raises(UserError, match=r"STORE_TOKEN from the key token of the secret store"):
        run_small(package)
    assert not (tmp_path / "first").exists()

    monkeypatch.setenv("STORE_TOKEN", "woof")
    run_small(package)
    assert (tmp_path / "first").read_text() == "woof"
    assert (tmp_path / "second").read_text() == "none"


def test_parameters_are_read_as_their_kinds() -> None:
    package = _package("")

    assert typed_parameters(package, ["word=3", "count=5"]) == {"word": "3", "count": 5}
    with pytest.raises(UserError, match=r"--param count must be a whole number, not 'many'"):
        typed_parameters(package, ["count=many"])
    with pytest.raises(UserError, match=r"no such parameter\. There are count, word"):
        typed_parameters(package, ["breeds=5"])


def test_records_are_found_in_a_runs_folder_if_they_are_the_only_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data: there are no records in "):
        records_folder(tmp_path)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "dataset.json").touch()
    assert records_folder(tmp_path) == tmp_path / "first"
    assert records_folder(tmp_path / "first") == tmp_path / "first"
    (tmp_path / "second" / "dataset.json").touch()
    with pytest.raises(UserError, match=r"several records in .*; name one of .*first, .*second\."):
        records_folder(tmp_path)


def test_tasks_that_wait_for_each_other_are_refused() -> None:
    package = _package("")
    package.pipeline["root"]["dag"]["tasks"]["first"]["dependentTasks"] = ["second"]

    with pytest.raises(UserError, match="first, second"):
        tasks_in_order(package)
