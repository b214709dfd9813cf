"""`dogbreed models`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from foundation.errors import UserError
from pipeline.cli.app import app
from pipeline.cli.train.models import chosen_network, show_layers
from trainer.networks.published.alexnet import AlexnetConfig
from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.registry import NETWORKS
from trainer.networks.residual import ResidualConfig


def test_list_names_every_network_without_importing_tensorflow() -> None:
    code = (
        "import sys; from rich.console import Console; "
        "from pipeline.cli.train.models import *; "
        "show_networks(Console(width=200)); print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    lines = said.stdout.splitlines()
    assert lines[-1] == "set()"
    names = [line.split()[0] for line in lines[1:-3]]
    assert names == list(NETWORKS)
    assert any("alexnet" in line and "227x227x3" in line and "Krizhevsky" in line for line in lines)


def _layers(network: AlexnetConfig | DogCnnConfig, num_classes: int | None) -> str:
    screen = io.StringIO()
    show_layers(network, num_classes, Console(file=screen, width=60))
    return screen.getvalue()


def test_table_shows_every_size_and_the_totals_on_a_narrow_terminal_too() -> None:
    network = chosen_network("alexnet", None, "224x224x3", [])
    assert isinstance(network, AlexnetConfig)

    said = _layers(network, 17)

    assert "alexnet: 224x224x3 to 17 classes" in said
    assert "1 + (227 - 11 + 0) / 4 = 55" in said
    assert "LocalResponseNormalisation" in said
    assert f"{62_378_344 - 983 * 4097:,}" in said.splitlines()[-1]


def test_classes_are_those_of_the_source_unless_said() -> None:
    assert "to 120 classes" in _layers(DogCnnConfig(), None)


def test_command_prints_the_table() -> None:
    import pipeline.cli.main  # noqa: F401

    done = CliRunner().invoke(app, ["models", "lenet5", "--input", "32x32", "--set", "channels=3"])

    assert done.exit_code == 0, done.output
    assert "lenet5: 32x32x3 to 10 classes" in done.output


def test_network_of_a_configuration_with_options_on_top(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("trainer: {network: {name: residual, width: 24}}")

    network = chosen_network(None, path, "96x96x3", ["trainer.network.dropout=0.5", "squeeze=true"])

    assert network == ResidualConfig(width=24, input_px=96, dropout=0.5, squeeze=True)


@pytest.mark.parametrize(
    ("name", "size", "settings", "said"),
    [
        ("alexnt", None, [], "There is no network 'alexnt'. Did you mean alexnet?"),
        ("alexnet", "224", [], "--input wants HEIGHTxWIDTHxCHANNELS"),
        ("alexnet", "40x80", [], "input_px: the picture must have at least 64 x 64 pixels"),
        ("alexnet", "80x80x2", [], "channels: Input should be 1 or 3, got 2"),
        ("dog_cnn", "224x224", [], "dog_cnn takes 250x151x1 and nothing else"),
        ("dog_cnn", "250x151x3", [], "dog_cnn takes pictures of 1 channels, not 3"),
        ("residual", "64x96", [], "residual takes square pictures, not 64x96"),
        ("vgg16", None, ["drpout=2"], "drpout: unknown key. Did you mean dropout?"),
        ("vgg16", None, ["dropout"], "--set wants KEY=VALUE"),
        ("layers", None, ["layers=[['F', 0]]"], "layers: layer 1: dense.units"),
        (None, "64x64", [], "--input and --set want a network"),
    ],
)
def test_network_that_cannot_be_had_is_refused_in_the_words_of_the_user(
    name: str | None, size: str | None, settings: list[str], said: str
) -> None:
    with pytest.raises(UserError) as raised:
        chosen_network(name, None, size, settings)

    assert said in str(raised.value)


def test_layers_that_do_not_fit_the_classes_are_one_clear_line() -> None:
    network = chosen_network("layers", None, None, [])
    assert network is not None

    with pytest.raises(UserError, match="layer 7: the last layer has 2 units"):
        show_layers(network, 5, Console(file=io.StringIO()))
