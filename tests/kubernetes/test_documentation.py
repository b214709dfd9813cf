"""The commands that docs/kubeflow.md shows are commands that there are."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from tests.kubernetes.manifests import ROOT, kustomizations

_TEXT = (ROOT / "docs/kubeflow.md").read_text()
_LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", _TEXT, re.DOTALL)
    for line in block.splitlines()
]
_COMMANDS = [line for line in _LINES if line.startswith("dogbreed ")]


@pytest.mark.parametrize("line", _COMMANDS)
def test_a_command_and_its_options_exist(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    command = words[:2] if words[0] == "image" else words[:1]
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", shown.stdout)


def test_it_takes_ten_numbered_steps() -> None:
    assert re.findall(r"^# (\d+)\.", "\n".join(_LINES), re.MULTILINE) == [
        str(number) for number in range(1, 11)
    ]


def test_every_overlay_and_component_is_explained_and_each_file_named_is_there() -> None:
    for folder in kustomizations():
        name = folder.removeprefix("kubernetes/").removeprefix("components/")
        if folder.startswith(("kubernetes/components/", "kubernetes/overlays/")):
            assert f"`{name}`" in _TEXT or f"`{folder}`" in _TEXT or name == "overlays/podman"
    for path in re.findall(r"\b(?:kubernetes|pipeline|tests)/[\w./-]*\w", _TEXT):
        assert (ROOT / path).exists(), path
