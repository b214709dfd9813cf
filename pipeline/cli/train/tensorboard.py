"""`dogbreed tensorboard`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption


@app.command()
def tensorboard(
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on. Default: the first free one from 6006."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Name or address to listen on; 0.0.0.0 is every one.")
    ] = "localhost",
) -> None:
    """Show the curves and pictures of the last training: of a run, or of the newest in runs/."""
    with clear_errors("Nothing was changed."):
        from pipeline.cli.train.show_tensorboard import show_tensorboard
        from pipeline.config.load import load_config
        from trainer.training.logs import last_training, last_training_of_any_run

        if root is not None:
            logs = last_training(root)
        elif config is not None or settings:
            logs = last_training(load_config(config, settings or []).root_path)
        else:
            logs = last_training_of_any_run()
        show_tensorboard(logs, Console(), host=host, port=port)
