"""`dogbreed run`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.commands.app import ExitCode, app, clear_errors


@app.command()
def run(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Folder or archive of pictures, or records that 'dogbreed convert' wrote. "
            "Default: the built-in sample.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Configuration in YAML, such as configs/stanford-dogs.yaml."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one setting, such as trainer.epochs=5; may be repeated. "
            "'dogbreed settings' lists all.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every node, even if nothing has changed.")
    ] = False,
) -> None:
    """Run the whole pipeline on this machine: pictures in, pushed model out."""
    with clear_errors("Run the same command again to go on from the last finished node."):
        from pipeline.load_config import load_config
        from pipeline.report_run import report_run
        from pipeline.run import run as run_pipeline

        console = Console()
        overrides = list(settings or [])
        if data is not None and config is None:
            overrides.insert(0, f"name='{_name_for(data)}'")  # quoted: a folder may be called no
        if fresh:
            overrides.append("cache=false")
        loaded = load_config(config, overrides, source=data)
        finished = run_pipeline(loaded, console)
        report_run(loaded, finished, console)
        if not finished.outcome.pushed_path:
            raise typer.Exit(ExitCode.NOT_BLESSED)


_LONGEST_SLUG = 50  # characters; leaves room within what a pipeline's name may have


def _name_for(source: str) -> str:
    """Makes a pipeline name of a source, so that other pictures get a folder of their own."""
    stem = Path(source).name.split(".")[0] if not source.startswith("tfds:") else source[5:]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower())[:_LONGEST_SLUG].strip("-")
    return slug if slug[:1].isalpha() else f"data-{slug}".rstrip("-")
