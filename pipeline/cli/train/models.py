"""Command `dogbreed models`: lists networks or shows their layers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foundation.errors import UsageError
from foundation.settings import set_at
from pipeline.cli.app import app, clear_errors
from pipeline.local.log import silenced

if TYPE_CHECKING:
    from trainer.networks.base import NetworkSettings
    from trainer.networks.registry import AnyNetworkConfig
    from trainer.preprocessing.image import ImageSpec

_WIDEST = 1000  # characters


def show_networks(console: Console) -> None:
    """Prints a row for each network, without TensorFlow."""
    from trainer.networks.registry import NETWORKS

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Name", no_wrap=True, style="cyan")
    table.add_column("Input", no_wrap=True)
    table.add_column("What it is")
    table.add_column("Source")
    for name, config in NETWORKS.items():
        about = (inspect.getdoc(config) or "").partition("\n")[0]
        table.add_row(name, _size(_own_input(config)), about, config.source)
    console.print(table, highlight=False)
    console.print(
        "\n'dogbreed models NAME' shows the layers of one, '--set trainer.network=NAME' trains it.",
        highlight=False,
        soft_wrap=True,
    )


def chosen_network(
    name: str | None, config_path: Path | None, input_size: str | None, settings: Sequence[str]
) -> NetworkSettings | None:
    """Builds the settings of the network that a command line names; None if it names none.

    `name` takes precedence over the configuration at `config_path`; `input_size` is `HxWxC` or
    `HxW`, and `settings` are options of the network, `KEY=VALUE` each.

    Raises:
        UsageError: there is no such network, or it does not allow that input or those options.
    """
    from pydantic import ValidationError

    from foundation.settings import mistakes_in_words
    from pipeline.config.load import load_config
    from trainer.networks.registry import find_network
    from trainer.training.config import TrainerConfig

    if name is None and config_path is None:
        if input_size is not None or settings:
            raise UsageError("--input and --set want a network: dogbreed models NAME ...")
        return None
    options_of: dict[str, Any]
    if name is None:
        options_of = load_config(config_path).trainer.network.model_dump(mode="json")
    else:
        options_of = {"name": name}
    try:
        kind = find_network(options_of["name"])
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    for setting in settings:
        _apply(options_of, setting)
    if input_size is not None:
        options_of |= _input_settings(kind, input_size)
    try:  # the rest of the configuration need not be valid with it
        return TrainerConfig.model_validate({"network": options_of}).network
    except ValidationError as error:
        lines = mistakes_in_words(error, TrainerConfig)
        problems = [line.removeprefix("network.") for line in lines]
        raise UsageError(
            "\n  ".join([f"The options of {options_of['name']} have mistakes:", *problems])
        ) from None


def _apply(options_of: dict[str, Any], setting: str) -> None:
    from pipeline.config.load import read_override

    key, value = read_override(setting.strip().removeprefix("trainer.network."))
    if key == ["name"]:
        raise UsageError(f"--set wants KEY=VALUE of a network's option, got '{setting}'.")
    set_at(options_of, key, value)


def _input_settings(kind: type[AnyNetworkConfig], input_size: str) -> dict[str, Any]:
    """Converts an input size to options of the network.

    Raises:
        UsageError: the size is malformed, or the network does not support it.
    """
    from trainer.networks.base import SizedNetworkSettings

    match = re.fullmatch(r"(\d+)x(\d+)(?:x(\d+))?", input_size)
    if not match:
        raise UsageError(
            f"--input wants HEIGHTxWIDTHxCHANNELS such as 224x224x3, got {input_size}."
        )
    height, width = int(match[1]), int(match[2])
    channels = int(match[3]) if match[3] else None
    name = kind.model_fields["name"].default
    own = _own_input(kind)
    options: dict[str, Any] = {}
    if "input_px" not in kind.model_fields:
        if (height, width) != (own.height_px, own.width_px):
            raise UsageError(f"{name} takes {_size(own)} and nothing else, not {input_size}.")
    elif issubclass(kind, SizedNetworkSettings):
        options["input_px"] = (height, width)
    elif height == width:
        options["input_px"] = height
    else:
        raise UsageError(f"{name} takes square pictures, not {input_size}.")
    if channels is not None and "channels" in kind.model_fields:
        options["channels"] = channels
    elif channels not in (None, own.channels):
        raise UsageError(f"{name} takes pictures of {own.channels} channels, not {channels}.")
    return options


def show_layers(network: NetworkSettings, num_classes: int | None, console: Console) -> None:
    """Prints a network's layer table; None as `num_classes` means that of the network's source.

    Raises:
        UsageError: the network cannot be built.
    """
    num_classes = num_classes or network.source_classes
    with silenced("Loading TensorFlow"):
        from trainer.networks.layer_table import layer_rows
        from trainer.networks.registry import outline_network

        try:
            rows = list(layer_rows(outline_network(network, num_classes)))
        except ValueError as error:
            raise UsageError(f"{network.name}: {error}") from error
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("Layer", "Total", no_wrap=True, style="cyan")
    table.add_column("Kind", no_wrap=True)
    table.add_column("Output", no_wrap=True)
    table.add_column("Kernel", no_wrap=True)
    table.add_column("Stride", no_wrap=True)
    table.add_column("Padding", no_wrap=True)
    parameters = f"{sum(row.parameters for row in rows):,}"
    table.add_column("Parameters", parameters, justify="right", no_wrap=True)
    multiply_adds = f"{sum(row.multiply_adds for row in rows):,}"
    table.add_column("Multiply-adds", multiply_adds, justify="right", no_wrap=True)
    table.add_column("Size: O = 1 + (W - K + 2P) / S", no_wrap=True)
    for row in rows:
        table.add_row(
            escape(row.name),
            row.kind,
            _by(row.output),
            _by(row.kernel),
            _by(row.stride),
            row.padding,
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            row.formula,
        )
    what = f"{network.name}: {_size(network.image)} to {num_classes:,} classes"
    console.print(f"{what}\n", highlight=False, soft_wrap=True)
    # A line that wraps in a narrow terminal is readable; a cut one is not.
    wide = Console(width=_WIDEST, file=console.file)
    wide.print(table, highlight=False, width=wide.measure(table).maximum)


def _own_input(kind: type[AnyNetworkConfig]) -> ImageSpec:
    """Returns the input of a network with default settings, even if it has required options."""
    return kind.model_construct().image


def _size(image: ImageSpec) -> str:
    return _by(image.shape)


def _by(sizes: Sequence[int | None] | None) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes or ())


@app.command()
def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Show this network's layers instead of the list."),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="HxWxC", help="The picture it takes, such as 224x224x3 or 250x151."
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of classes. Default: that of the network's source."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Show the network of this configuration."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one of the network's options, such as dropout=0.3; may be repeated.",
        ),
    ] = None,
) -> None:
    """List the networks, or show one layer by layer: sizes, parameters, multiply-adds."""
    with clear_errors(""):
        console = Console()
        network = chosen_network(name, config, input_size, settings or [])
        if network is None:
            show_networks(console)
        else:
            show_layers(network, classes, console)
