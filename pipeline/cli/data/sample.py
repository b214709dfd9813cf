"""Command `dogbreed sample`: draws the sample archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the archive.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other pictures.")] = 0,
    per_breed: Annotated[int, typer.Option(min=1, help="Pictures of each breed.")] = 100,
) -> None:
    """Draw the sample, "toy dogs": an archive of small pictures laid out like Stanford Dogs."""
    with clear_errors(f"Nothing was written to {directory}."):
        from pipeline.cli.next_steps import as_typed, say_next
        from pipeline.local.find_records import draw_shown

        console = Console()
        archive = draw_shown(directory, seed, per_breed, console)
        console.print(f"Wrote {archive}", soft_wrap=True, highlight=False, markup=False)
        say_next(console, as_typed("convert", archive, directory / "records"))
