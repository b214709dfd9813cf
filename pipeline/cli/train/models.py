"""`dogbreed models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors


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
        from pipeline.cli.train.show_models import chosen_network, show_layers, show_networks

        console = Console()
        network = chosen_network(name, config, input_size, settings or [])
        if network is None:
            show_networks(console)
        else:
            show_layers(network, classes, console)
