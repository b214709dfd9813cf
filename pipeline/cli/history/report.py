"""`dogbreed report`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption


@app.command()
def report(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Which run's, as 'dogbreed history' numbers them; 'last-1' is the one before the "
            "last. Default: the last that left one.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    path_only: Annotated[
        bool, typer.Option("--path", help="Print where the report is, and open nothing.")
    ] = False,
) -> None:
    """Open the report of a run: why its model was pushed or refused, in one page.

    The page is one file that needs no network: send it to whoever asks. Where there is no screen,
    its path is printed instead. A run in which nothing had changed has the report of the run
    before it.
    """
    with clear_errors("Nothing was changed."):
        from pipeline.cli.history.show_report import find_report, show_report
        from pipeline.history.find_root import find_root
        from pipeline.history.read_runs import read_history

        folder = find_root(root, config, settings or [])
        past = read_history(folder.root, folder.push_path)
        show_report(find_report(past, run), Console(), opened=not path_only)
