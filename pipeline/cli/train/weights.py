"""Command `dogbreed weights`: checks or downloads pretrained weights."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.errors import UsageError
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption

if TYPE_CHECKING:
    from trainer.networks.transfer.network import TransferConfig

weights = typer.Typer(no_args_is_help=True, help="Check or fetch the weights of a backbone.")
app.add_typer(weights, name="weights")

SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one setting, such as trainer.network.backbone=ResNet50; may be repeated.",
    ),
]


@weights.command()
def check(config: ConfigOption = None, settings: SettingsOption = None) -> None:
    """Say whether the configured weights can be used on this machine."""
    with clear_errors(""):
        from trainer.networks.transfer.weights import check_weights

        Console().print(check_weights(_network(config, settings)), soft_wrap=True, highlight=False)


@weights.command()
def fetch(
    config: ConfigOption = None,
    settings: SettingsOption = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to. Default: where Keras looks for them."),
    ] = None,
) -> None:
    """Download the ImageNet weights of the configured backbone, for use without internet too."""
    with clear_errors("Run the same command again."):
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        from trainer.networks.transfer.weights import fetch_weights

        network = _network(config, settings)
        if not network.from_imagenet:
            raise UsageError(
                f"{network.backbone} does not start from ImageNet's weights, so there is nothing "
                "to fetch."
            )
        console = Console()
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            task = bar.add_task("", total=None)
            path = fetch_weights(
                network, to, lambda done, total: bar.update(task, completed=done, total=total)
            )
        console.print(f"{path}", soft_wrap=True, highlight=False)
        if to is not None:
            console.print(
                f"Use it with --set {shlex.quote(f'trainer.network.weights={path}')}",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )


def _network(config: Path | None, settings: list[str] | None) -> TransferConfig:
    """Returns the configured network; raises UsageError if it takes no pretrained weights."""
    from pipeline.config.load import TRANSFER_CONFIG, load_config
    from trainer.networks.transfer.network import TransferConfig

    network = load_config(config or TRANSFER_CONFIG, settings or []).trainer.network
    if not isinstance(network, TransferConfig):
        raise UsageError(
            f"The network {network.name} starts from no weights; only transfer does, as in "
            "--config transfer."
        )
    return network
