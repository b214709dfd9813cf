"""`dogbreed submit`: what is printed, and what arrives at a Kubeflow."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from components.pusher.identity import SERVED_ALREADY
from tests.submit.conftest import DOGBREED, Dogbreed, environment, write_package
from tests.submit.stand_in import StandIn

pytestmark = pytest.mark.slow

_DATA = "--param=data=/data"
_SPEC = "pipelineInfo: {name: a}\nroot: {}\ndeploymentSpec: {}\n"


def test_a_package_is_uploaded_once_and_run_with_typed_parameters(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    arguments = [
        "submit", package, "--host", kubeflow.url, _DATA, "--param=epochs=7",
        "--param=learning_rate=1e-3", "--param=cache=False", '--param=breeds=["pug", "collie"]',
        "--service-account=trainer", "--pipeline-root=s3://artifacts/dogs",
    ]  # fmt: skip

    done = dogbreed(*arguments)

    assert done.returncode == 0, done.stderr
    (upload,) = kubeflow.arrived("POST", "/upload_version")
    assert upload.body == package.read_bytes()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{12}", upload.query["name"])
    assert f"uploaded version {upload.query['name']}" in done.stdout
    (pipeline,) = kubeflow.pipelines.values()
    (experiment,) = kubeflow.experiments.values()
    assert (pipeline["display_name"], experiment["display_name"]) == ("toy-dogs", "toy-dogs")
    (run,) = kubeflow.arrived("POST", "/runs")
    assert run.body["experiment_id"] == experiment["experiment_id"]
    assert run.body["pipeline_version_reference"] == {
        "pipeline_id": pipeline["pipeline_id"],
        "pipeline_version_id": next(iter(kubeflow.versions)),
    }
    assert run.body["runtime_config"] == {
        "parameters": {
            "data": "/data",
            "epochs": 7,
            "learning_rate": 0.001,
            "cache": False,
            "breeds": ["pug", "collie"],
        },
        "pipeline_root": "s3://artifacts/dogs",
    }
    assert run.body["service_account"] == "trainer"
    assert run.body["display_name"].startswith("toy-dogs 20")
    (run_id,) = kubeflow.runs
    assert f"Run {run_id} started" in done.stdout

    again = dogbreed(*arguments)

    assert again.returncode == 0, again.stderr
    assert f"has version {upload.query['name']} already" in again.stdout
    assert len(kubeflow.arrived("POST", "/upload_version")) == 1
    assert len(kubeflow.experiments) == len(kubeflow.pipelines) == 1
    assert len(kubeflow.runs) == 2

    write_package(package, defaultPipelineRoot="minio://other")
    changed = dogbreed(*arguments)

    assert changed.returncode == 0, changed.stderr
    assert len(kubeflow.versions) == 2
    assert len(kubeflow.pipelines) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--param=epoch=3", _DATA], "no such parameter. Did you mean epochs? There are breeds,"),
        (["--param=epochs=3.5", _DATA], "--param epochs must be a whole number, not '3.5'"),
        (["--param=learning_rate=nan", _DATA], "learning_rate must be a number, not 'nan'"),
        (["--param=cache=maybe", _DATA], "--param cache must be true or false, not 'maybe'"),
        (["--param=breeds=pug", _DATA], "--param breeds must be a list in JSON, not 'pug'"),
        (["--param=epochs", _DATA], "--param epochs is not KEY=VALUE"),
        ([], "needs a value for data: give --param"),
        (["--cron=0 2 * *", _DATA], "has 4 fields; there must be five"),
        (["--cron=0 24 * * *", _DATA], "the hour cannot be '24'. It goes from 0 to 23"),
        (["--cron=0 2 * * 7", _DATA], "the day of the week cannot be '7'"),
        (["--cron=0 5-2 * * *", _DATA], "the hour cannot be '5-2'"),
        (["--cron=*/0 2 * * *", _DATA], "the minute cannot be '*/0'"),
        (["--cron=0 2 * * *", "--wait", _DATA], "--wait follows one run"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_sent(
    arguments: list[str], said: str, kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    done = dogbreed("submit", package, *arguments, "--host", kubeflow.url)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert kubeflow.requests == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "other.yaml. 'dogbreed compile -o"),
        ("{", "is not YAML"),
        ("a: 1", "is no compiled pipeline"),
        (f"{_SPEC}schemaVersion: 2.0.0\n", "has schema version 2.0.0"),
        (f"{_SPEC}schemaVersion: 2.1.0\n", "is an empty package"),
    ],
)
def test_what_is_no_package_is_refused(
    content: str | None, said: str, kubeflow: StandIn, dogbreed: Dogbreed, tmp_path: Path
) -> None:
    package = tmp_path / "other.yaml"
    if content is not None:
        package.write_text(content)

    done = dogbreed("submit", package, "--host", kubeflow.url)

    assert done.returncode == 1
    assert said in done.stderr
    assert kubeflow.requests == []


def test_what_the_backend_refuses_is_one_line_with_its_reason(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    write_package(package, surprise=1)

    done = dogbreed("submit", package, _DATA, "--host", kubeflow.url)

    assert done.returncode == 1
    assert re.search(
        r"refused .*upload_version \(400 Bad Request\): invalid v2.*surprise", done.stderr
    )
    assert not kubeflow.runs


def test_a_recurring_run_gets_kubeflows_own_kind_of_cron(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    arguments = ["submit", package, _DATA, "--host", kubeflow.url, "--cron", "30 2 * * mon-fri"]

    done = dogbreed(*arguments)

    assert done.returncode == 0, done.stderr
    (request,) = kubeflow.arrived("POST", "/recurringruns")
    assert request.body["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * mon-fri"
    assert request.body["no_catchup"] is True
    assert request.body["mode"] == "ENABLE"
    (first,) = kubeflow.recurring_runs
    assert f"Recurring run {first} started" in done.stdout
    assert not kubeflow.runs

    twice = dogbreed(*arguments)

    assert twice.returncode == 1
    assert f"There is a recurring run toy-dogs already ({first})" in twice.stderr
    assert list(kubeflow.recurring_runs) == [first]

    replaced = dogbreed(*arguments, "--replace", "--catchup")

    assert replaced.returncode == 0, replaced.stderr
    (second,) = kubeflow.recurring_runs.values()
    assert second["recurring_run_id"] != first
    assert second.get("no_catchup") is False


def test_waiting_shows_the_steps_and_that_the_model_was_pushed(
    of_either_version: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow = of_either_version
    kubeflow.behaviour.reused = {"import-example-gen"}
    kubeflow.behaviour.outage = 2  # the server restarts in the middle

    done = _wait(dogbreed, kubeflow, package)

    assert done.returncode == 0, done.stderr
    assert "ImportExampleGen: reused in 1.5 s" in done.stdout
    assert "Trainer: ran in 1.5 s" in done.stdout
    table = done.stdout[done.stdout.rindex("Status") :]
    assert re.findall(r"^(\w+) +(reused|ran) ", table, re.MULTILINE) == [
        ("ImportExampleGen", "reused"),
        ("Transform", "ran"),
        ("Trainer", "ran"),
        ("Pusher", "ran"),
        ("Report", "ran"),
    ]
    assert "Succeeded and pushed" in table
    (run_id,) = kubeflow.runs
    assert f"report  {kubeflow.url}/#/runs/details/{run_id}, below Report" in table


@pytest.mark.parametrize("pods_gone", [False, True], ids=["pods there", "an hour later"])
def test_a_run_that_pushed_nothing_ends_with_3(
    pods_gone: bool, of_either_version: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    of_either_version.behaviour.pushed = False
    of_either_version.behaviour.pods_gone = pods_gone

    done = _wait(dogbreed, of_either_version, package)

    assert done.returncode == 3
    assert "Succeeded, not pushed" in done.stdout
    assert "below Report: the artifact 'report'" in done.stdout


@pytest.mark.parametrize(
    ("log", "exit_code", "said"),
    [
        ("I1121 Model pushed to /models/1.\n", 0, "Succeeded and pushed"),
        (f"I1121 Version 1 {SERVED_ALREADY}.\n", 0, "Succeeded and pushed"),
        ("Model on /models was not blessed by model validation\n", 3, "Succeeded, not pushed"),
    ],
)
def test_without_a_report_pushers_log_tells_whether_it_pushed(
    log: str,
    exit_code: int,
    said: str,
    of_either_version: StandIn,
    dogbreed: Dogbreed,
    package: Path,
) -> None:
    of_either_version.behaviour.pushed = None
    of_either_version.behaviour.logs["pusher"] = log

    done = _wait(dogbreed, of_either_version, package)

    assert done.returncode == exit_code
    assert said in done.stdout


def test_a_run_of_which_only_the_states_are_left_still_succeeds(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow.behaviour.pods_gone = kubeflow.behaviour.copy_gone = True

    done = _wait(dogbreed, kubeflow, package)

    assert done.returncode == 0, done.stderr
    assert "Trainer: ran in 1.5 s" in done.stdout
    assert "Succeeded. Whether a model was pushed cannot be told" in done.stdout


def test_a_failed_step_is_named_with_its_reason_and_the_way_to_its_log(
    of_either_version: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow = of_either_version
    kubeflow.behaviour.failing["trainer"] = "Error (exit code 1)"
    kubeflow.behaviour.tries["trainer"] = 2
    kubeflow.behaviour.logs["trainer"] = (
        "epoch 1\ndogbreed: Trainer failed: the loss is not finite at step 7\n"
        "F1121 02:00:00.000000      14 main.go:50] failed to execute component: exit status 1\n"
    )

    done = _wait(dogbreed, kubeflow, package)

    assert done.returncode == 1
    assert re.search(r"^Trainer +failed", done.stdout, re.MULTILINE)
    assert re.search(r"^Pusher +waiting", done.stdout, re.MULTILINE)
    assert "Trainer failed: the loss is not finite at step 7\n" in done.stderr
    command = re.search(r"Its log: dogbreed (.*)", done.stderr)
    assert command is not None
    assert dogbreed(*command[1].split()).stdout == kubeflow.behaviour.logs["trainer"]


@pytest.mark.parametrize(
    ("ended", "log", "said"),
    [
        ("OOMKilled (exit code 137)", "epoch 1\n", "its container ran out of memory"),
        ("Error (exit code 2)", "epoch 1\nno such option\n", "it last wrote: no such option"),
    ],
)
def test_a_step_that_could_not_say_why_it_failed_is_explained(
    ended: str, log: str, said: str, of_either_version: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow = of_either_version
    kubeflow.behaviour.failing["transform"] = ended
    kubeflow.behaviour.logs["transform"] = log

    done = _wait(dogbreed, kubeflow, package)

    assert done.returncode == 1
    assert "Transform failed: " in done.stderr
    assert ended in done.stderr
    assert said in done.stderr


def test_a_failed_step_of_which_nothing_is_left_says_so(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow.behaviour.failing["transform"] = "Error (exit code 1)"
    kubeflow.behaviour.pods_gone = kubeflow.behaviour.copy_gone = True

    done = _wait(dogbreed, kubeflow, package)

    assert done.returncode == 1
    assert "Transform failed: Kubeflow no longer has the run's workflow" in done.stderr


def test_a_run_that_someone_cancels_leaves_no_step_at_work(
    kubeflow: StandIn, package: Path
) -> None:
    process = _held_at_trainer(kubeflow, package)
    (run_id,) = kubeflow.runs
    kubeflow.runs[run_id].cancelled = True
    said, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors == f"Error: Run {run_id} was cancelled.\n"
    table = said[said.rindex("Status") :]
    assert re.findall(r"^(Tr\w+|Pusher) +(\w+)", table, re.MULTILINE) == [
        ("Transform", "ran"),
        ("Trainer", "stopped"),
        ("Pusher", "waiting"),
    ]


@pytest.mark.parametrize("cancel", [False, True])
def test_an_interrupt_leaves_the_run_alone_unless_told(
    cancel: bool, kubeflow: StandIn, package: Path
) -> None:
    process = _held_at_trainer(kubeflow, package, *(["--cancel-on-interrupt"] if cancel else []))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    (run_id,) = kubeflow.runs
    assert process.returncode == 130
    assert ("was told to stop" if cancel else f"Run {run_id} goes on") in errors
    assert len(kubeflow.arrived("POST", ":terminate")) == cancel


def _held_at_trainer(kubeflow: StandIn, package: Path, *arguments: str) -> subprocess.Popen[str]:
    """Submits and waits, until Trainer is at work."""
    kubeflow.behaviour.hold_at = "trainer"
    process = subprocess.Popen(
        [
            DOGBREED, "submit", package, _DATA, "--host", kubeflow.url, "--wait", "--interval=0.1",
            *arguments,
        ],
        cwd=package.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Transform: ran"):
            break
    time.sleep(0.3)
    return process


def _wait(dogbreed: Dogbreed, kubeflow: StandIn, package: Path) -> subprocess.CompletedProcess[str]:
    return dogbreed("submit", package, _DATA, "--host", kubeflow.url, "--wait", "--interval", "0.1")
