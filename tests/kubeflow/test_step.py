"""The entry point of a step: what it says where the cluster is not as it should be."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from foundation.errors import UserError
from ingestion.dataset import Dataset, load_dataset
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.rehearsal.options import RehearsalOptions
from pipeline.kubeflow.rehearsal.rehearse import rehearse
from pipeline.kubeflow.step.apply_parameters import apply_parameters
from pipeline.kubeflow.step.run_step import check_writable, records_at
from tests.kubeflow.conftest import CompileTiny

pytestmark = pytest.mark.slow


def test_missing_records_end_the_rehearsal_with_one_clear_line(
    package: Package, tmp_path: Path
) -> None:
    once = copy.deepcopy(package)
    for task in once.pipeline["root"]["dag"]["tasks"].values():
        task["retryPolicy"]["maxRetryCount"] = 0
    console = Console(file=io.StringIO(), width=200)

    with pytest.raises(UserError) as raised:
        rehearse(once, RehearsalOptions(tmp_path, run_in="processes"), console)

    reason, where = str(raised.value).splitlines()
    assert reason == (
        "ImportExampleGen failed: The folder /data is empty: the volume that is mounted there has "
        "no records on it, or the pipeline's parameter 'data' should name a folder below it."
    )
    log = Path(where.removeprefix("The whole story is in ").rstrip("."))
    assert log.read_text().rstrip().endswith(reason.removeprefix("ImportExampleGen failed: "))


def test_damaged_shard_is_named_with_the_remedy_and_none_of_its_bytes(
    package: Package, records: Dataset, tmp_path: Path
) -> None:
    damaged = load_dataset(shutil.copytree(records.path, tmp_path / "records")).shards("eval")[0]
    with damaged.open("r+b") as shard:
        shard.seek(500)
        shard.write(b"damage")
    once = copy.deepcopy(package)
    for task in once.pipeline["root"]["dag"]["tasks"].values():
        task["retryPolicy"]["maxRetryCount"] = 0
    options = RehearsalOptions(tmp_path / "root", data=tmp_path / "records", run_in="processes")

    with pytest.raises(UserError) as raised:
        rehearse(once, options, Console(file=io.StringIO()))

    assert str(raised.value).startswith(
        f"ImportExampleGen failed: /data/eval/{damaged.name} is damaged or cut short: copy it"
    )


def test_push_to_what_cannot_be_written_is_one_clear_line_and_an_exit_code(
    package: Package, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    container = package.pipeline["deploymentSpec"]["executors"]["exec-pusher"]["container"]
    message = json.dumps(
        {
            "inputs": {"parameterValues": {"pipeline_push_destination": f"{tmp_path}/file/served"}},
            "outputs": {"outputFile": str(tmp_path / "output.json")},
        }
    )
    arguments = [message if each == "{{$}}" else each for each in container["args"]]

    ended = subprocess.run(
        [sys.executable, *container["command"][1:], *arguments], capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"dogbreed: Pusher failed: The push destination {tmp_path}/file/served cannot be written: "
        "Not a directory. The pipeline's parameter 'push_destination' has to name a folder of a "
        "volume that is mounted to be written."
    )
    assert "Traceback" not in ended.stderr


def test_step_that_asked_for_gpus_and_sees_none_ends_with_one_sentence(package: Package) -> None:
    container = package.pipeline["deploymentSpec"]["executors"]["exec-trainer"]["container"]
    told = {each["name"]: each["value"] for each in container["env"]}
    arguments = ["{}" if each == "{{$}}" else each for each in container["args"]]

    ended = subprocess.run(
        [sys.executable, *container["command"][1:], *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **told, "CUDA_VISIBLE_DEVICES": ""},
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "dogbreed: Trainer failed: Trainer asked for 1 GPU, and TensorFlow sees none: "
        "kubeflow.gpu.image has to name the image's gpu variant ('dogbreed image build --variant "
        "gpu'), whose NVIDIA driver comes from the node."
    )
    assert "Traceback" not in ended.stderr


def test_read_only_volume_of_a_rehearsal_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"/models/dogs cannot be written: Read-only file system"):
        check_writable(str(tmp_path / "dogs"), "/models/dogs", declared_read_only=True)
    assert not (tmp_path / "dogs").exists()


def test_volume_that_is_not_mounted_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no folder /data: the volume"):
        records_at(str(tmp_path / "data"), "/data")


def test_bucket_with_nothing_but_the_mark_of_a_folder_has_no_records(
    compile_tiny: CompileTiny, tmp_path: Path
) -> None:
    package = compile_tiny("kubeflow.data=s3://dogs/records")
    container = package.pipeline["deploymentSpec"]["executors"]["exec-import-example-gen"][
        "container"
    ]
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs/records").touch()  # what the launcher makes of an object `records/`
    message = json.dumps(
        {
            "inputs": {
                "artifacts": {"pipeline_records": {"artifacts": [{"uri": "s3://dogs/records"}]}},
                "parameterValues": {"pipeline_data": "s3://dogs/records"},
            },
            "outputs": {"artifacts": {}, "outputFile": str(tmp_path / "output.json")},
        }
    )
    arguments = [message if each == "{{$}}" else each for each in container["args"]]

    ended = subprocess.run(
        [sys.executable, *container["command"][1:], *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "DOGBREED_MOUNTS": json.dumps({"/s3": str(tmp_path)})},
    )

    assert ended.returncode == 1
    assert "failed: The folder s3://dogs/records is empty" in ended.stderr.splitlines()[-1]


def test_parameters_that_arrive_as_floating_point_reach_the_training(records: Dataset) -> None:
    training = {
        "trainer": {"epochs": 16, "learning_rate": 0.005},
        "recipe": "abc",
        "work_dir": "/checkpoints/dogs/abc",
    }
    given = {
        "custom_config": json.dumps(training),
        "pipeline_epochs": 3.0,
        "pipeline_learning_rate": 1.0,
        "pipeline_data_fingerprint": records.fingerprint,
    }

    changed, elsewhere = (
        json.loads(apply_parameters("Trainer", given, inputs=inputs)["custom_config"])
        for inputs in ("s3://dogs/run-1/transform", "s3://dogs/run-2/transform")
    )

    assert changed["trainer"]["epochs"] == 3
    assert isinstance(changed["trainer"]["epochs"], int)
    assert changed["trainer"]["learning_rate"] == 1.0
    assert changed["data"] == records.fingerprint
    assert changed["recipe"] != "abc"
    assert elsewhere["recipe"] == changed["recipe"]
    assert elsewhere["work_dir"] != changed["work_dir"]  # runs that are at work at the same time
    assert changed["work_dir"].startswith("/checkpoints/dogs/")
    with pytest.raises(UserError, match="epochs: Input should be greater than"):
        apply_parameters("Trainer", {**given, "pipeline_epochs": -1.0})


def test_bounds_of_a_run_replace_the_compiled_ones() -> None:
    compiled = {"min_accuracy": 0.9, "slices": ["colour"], "min_slice_accuracy": 0.125}
    given = {
        "eval_config": "{}",
        "pipeline_bounds": json.dumps({**compiled, "min_breed_accuracy": 0.75}),
        "pipeline_min_accuracy": 0.25,
        "pipeline_min_error_reduction": 0.2,
        "pipeline_min_top_5_accuracy": 0.5,
        "pipeline_max_accuracy_drop": 0.01,
    }

    config = apply_parameters("Evaluator", given)["eval_config"]

    lower_bounds = [float(bound) for bound in re.findall(r'"lower_bound": ([\d.]+)', config)]
    # The first: there must be a picture.
    assert lower_bounds == pytest.approx([1, 0.25, 0.75, 0.5, 0.2, 0.125], abs=1e-5)
    assert "colour" in config
    with pytest.raises(UserError, match=r"min_accuracy: .* got 2\.0"):
        apply_parameters("Evaluator", {**given, "pipeline_min_accuracy": 2.0})
