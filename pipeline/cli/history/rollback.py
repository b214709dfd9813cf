"""`dogbreed rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption


@app.command()
def rollback(
    version: Annotated[
        int, typer.Argument(min=0, metavar="VERSION", help="The version to serve again.")
    ],
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Why, for those who look at the history later."),
    ] = None,
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    destination: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder that a model server watches, where the runs' metadata is elsewhere, "
            "as on a cluster. It is then not checked that a run has pushed the version, and only a "
            "file in the new version records the rollback.",
        ),
    ] = None,
) -> None:
    """Serve an earlier version again: what was pushed and blessed before, under a new number.

    Model servers serve the greatest number, so the version is copied under the next one; nothing
    is deleted, and callers notice nothing. 'dogbreed history' lists the versions that runs have
    pushed. The rollback is recorded in ML Metadata and in the new version, in
    [bold]assets.extra/rollback.json[/].

    Afterwards a run is compared with the version that is served again. A run in which nothing has
    changed since the version that was given up is refused, because it would push the same model
    once more; change its data, its training or a bound, or insist with --fresh.

    Default: of the runs in runs/ the one that was last.
    """
    with clear_errors("What was served before is still served."):
        from foundation.errors import UserError
        from pipeline.cli.history.report_rollback import report_rollback
        from pipeline.history.rollback import (
            bounds_kept,
            check_pushed_here,
            check_version,
            roll_back,
        )

        console = Console()
        if destination is not None:
            if root is not None or config is not None or settings:
                raise UserError("--destination stands for itself: leave the other options out.")
            replaced = check_version(destination, version)
            done = roll_back(destination.absolute(), version, replaced, None, reason)
            report_rollback(done, None, None, console)
            return
        from pipeline.history.find_root import find_root
        from pipeline.history.read_runs import read_history
        from pipeline.history.record_rollback import record_rollback
        from pipeline.local.lock import only_run_below

        folder = find_root(root, config, settings or [])
        read_history(folder.root, folder.push_path)  # a root without runs is not to be made here
        with only_run_below(folder.root):
            history = read_history(folder.root, folder.push_path)
            replaced = check_version(history.push_path, version)
            check_pushed_here(history, version)
            bounds = bounds_kept(history)
            done = roll_back(history.push_path.absolute(), version, replaced, bounds, reason)
            execution = record_rollback(folder.root, done.version, done.path, done.note)
        report_rollback(done, folder.root, execution, console)
