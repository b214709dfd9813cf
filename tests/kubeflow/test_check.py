"""What a cluster would refuse is said before it is asked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.kubeflow.check import check_package
from pipeline.kubeflow.package import Package, write_package

pytestmark = pytest.mark.slow

Spec = dict[str, Any]


def _resolver(spec: Spec, platform: Spec) -> None:
    spec["deploymentSpec"]["executors"]["exec-baseline"] = {"resolver": {}}


def _old_schema(spec: Spec, platform: Spec) -> None:
    spec["schemaVersion"] = "2.0.0"


def _bad_name(spec: Spec, platform: Spec) -> None:
    spec["pipelineInfo"]["name"] = "Dog_Breeds"


def _old_constant(spec: Spec, platform: Spec) -> None:
    parameters = spec["root"]["dag"]["tasks"]["trainer"]["inputs"]["parameters"]
    parameters["run_fn"] = {"runtimeValue": {"constantValue": {"stringValue": "trainer.run"}}}


def _long_argument(spec: Spec, platform: Spec) -> None:
    spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]["args"].append("x" * 140_000)


def _long_constant(spec: Spec, platform: Spec) -> None:
    parameters = spec["root"]["dag"]["tasks"]["trainer"]["inputs"]["parameters"]
    parameters["custom_config"] = {"runtimeValue": {"constant": "x" * 110_000}}


def _no_image(spec: Spec, platform: Spec) -> None:
    del spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]["image"]


def _misspelt(spec: Spec, platform: Spec) -> None:
    spec["root"]["dag"]["tasks"]["trainer"]["retryPolicy"] = {"maxRetryCuont": 3}


def _unknown_field(spec: Spec, platform: Spec) -> None:
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-trainer"]["gpus"] = 1


def _unknown_executor(spec: Spec, platform: Spec) -> None:
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-trianer"] = {}


def _unknown_of_runs(spec: Spec, platform: Spec) -> None:
    platform["platforms"]["kubernetes"]["pipelineConfig"] = {"resourceTtl": 60}


def _driver(spec: Spec, platform: Spec) -> None:
    container = spec["deploymentSpec"]["executors"]["exec-import-example-gen"]["container"]
    container["lifecycle"] = {"preCacheCheck": {"command": ["python"]}}


@pytest.mark.parametrize(
    ("spoil", "where", "what"),
    [
        (_resolver, "executor exec-baseline", "a Resolver"),
        (_old_schema, "schemaVersion", "takes 2.1.0 alone"),
        (_bad_name, "pipelineInfo.name", "'Dog_Breeds' is refused"),
        (_old_constant, "task trainer", "run_fn is a constantValue of schema 2.0"),
        (_long_argument, "executor exec-trainer", "140,000 bytes is more than the kernel takes"),
        (_long_constant, "task trainer", "the kernel takes 131,072"),
        (_no_image, "executor exec-trainer", "names no image"),
        (_misspelt, "message PipelineSpec", 'has no field named "maxRetryCuont"'),
        (_unknown_field, "platform spec of exec-trainer", "knows no gpus"),
        (_unknown_executor, "platform spec of exec-trianer", "there is no such executor"),
        (_unknown_of_runs, "pipelineConfig", "knows no resourceTtl"),
        (_driver, "executor exec-import-example-gen", "the driver in it does not run"),
    ],
)
def test_what_the_backend_refuses_is_said_in_words(
    package: Package,
    tmp_path: Path,
    spoil: Callable[[Spec, Spec], None],
    where: str,
    what: str,
) -> None:
    spoilt = copy.deepcopy(package)
    spoil(spoilt.pipeline, spoilt.platform)

    [finding] = check_package(spoilt)

    assert finding.where == where
    assert what in finding.what
    write_package(spoilt, tmp_path / "pipeline.yaml")
    checked = CliRunner().invoke(app, ["compile", "--check", str(tmp_path / "pipeline.yaml")])
    assert checked.exit_code == 1
    assert checked.output == f"{finding}\n"


def _list_of_tasks(spec: Spec, platform: Spec) -> None:
    spec["root"]["dag"]["tasks"] = list(spec["root"]["dag"]["tasks"].values())


def _number_as_image(spec: Spec, platform: Spec) -> None:
    spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]["image"] = 7


def _text_as_mounts(spec: Spec, platform: Spec) -> None:
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors["exec-pusher"]["pvcMount"] = "models"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_list_of_tasks, "Failed to parse tasks field"),
        (_number_as_image, "Failed to parse image field: "),
        (_text_as_mounts, "in its platform spec, something is of another kind than it should be"),
    ],
)
@pytest.mark.parametrize("command", [["compile", "--check"], ["rehearse"]])
def test_damaged_package_is_one_clear_line(
    package: Package,
    tmp_path: Path,
    spoil: Callable[[Spec, Spec], None],
    said: str,
    command: list[str],
) -> None:
    spoilt = copy.deepcopy(package)
    spoil(spoilt.pipeline, spoilt.platform)
    write_package(spoilt, tmp_path / "pipeline.yaml")

    ended = CliRunner().invoke(app, [*command, str(tmp_path / "pipeline.yaml")])

    assert ended.exit_code == 1
    [line] = ended.output.splitlines()
    assert line.startswith("Error: The package is damaged: ")
    assert said in line


def test_file_that_is_no_package_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("name: dogs\n")

    checked = CliRunner().invoke(app, ["compile", "--check", str(path)])

    assert checked.exit_code == 1
    assert checked.output.splitlines() == [
        f"Error: {path} is no compiled pipeline: it has no root or no deploymentSpec."
    ]
