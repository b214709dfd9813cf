"""`dogbreed settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors


@app.command()
def settings(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the values in this configuration.")
    ] = None,
) -> None:
    """List every setting with its value and meaning, as for --set and configuration files."""
    with clear_errors(""):
        from pipeline.cli.train.show_settings import show_settings
        from pipeline.config.load import load_config

        show_settings(load_config(config), Console())
