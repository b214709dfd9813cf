"""Command `dogbreed rollback`: serves an earlier version again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from foundation.versions import ROLLBACK_FILE
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption
from pipeline.cli.next_steps import as_typed, say_next

if TYPE_CHECKING:
    from pipeline.history.rollback import RolledBack


def report_rollback(
    done: RolledBack, root: Path | None, execution: int | None, console: Console
) -> None:
    """Prints a rollback; `root` and `execution` are None where ML Metadata does not record it."""

    def say(markup: str) -> None:
        console.print(markup, soft_wrap=True, highlight=False)

    note = done.note
    say(f"[bold green]Version {note.copy_of} is served again[/], as version {done.version}")
    say(f"  path     {escape(str(done.path))}")
    say(f"  instead  of version {note.replaced}, which stays where it is")
    where = escape(str(done.path / ROLLBACK_FILE))
    if execution is None:
        say(f"  record   {where} alone: the runs' metadata is not here")
    else:
        say(f"  record   {where}, and execution {execution} in ML Metadata")
    say("  A model server that watches the folder loads it by itself.")
    console.print()
    commands = [f"{as_typed('predict', 'PICTURE', '--json')}      names the version that answered"]
    if root is not None:
        commands.append(as_typed("history", "--root", root))
    say_next(console, *commands)
    unchanged = (
        f"One in which nothing has changed since version {note.replaced} is refused; one with "
        "other data, settings or bounds may push a model like that again"
        if execution is not None
        else f"On a cluster, one in which nothing has changed since version {note.replaced} may "
        "push the same model again"
    )
    console.print(
        f"\nThe next run is compared with this version. {unchanged}, if the bounds allow it. "
        "They did not see what was wrong: raise the one that should have, such as "
        "evaluator.min_accuracy or evaluator.min_breed_accuracy, or lower "
        "evaluator.max_accuracy_drop.",
        highlight=False,
    )


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
        from foundation.errors import UsageError
        from pipeline.history.rollback import (
            bounds_kept,
            check_pushed_here,
            check_version,
            roll_back,
        )

        console = Console()
        if destination is not None:
            if root is not None or config is not None or settings:
                raise UsageError("--destination stands for itself: leave the other options out.")
            replaced = check_version(destination, version)
            done = roll_back(destination.absolute(), version, replaced, None, reason)
            report_rollback(done, None, None, console)
            return
        from foundation.lock import only_run_below
        from pipeline.history.choose_run import find_root
        from pipeline.history.read_runs import read_history
        from pipeline.history.rollback import record_rollback

        folder = find_root(root, config, settings or [])
        read_history(folder.root, folder.push_path)  # must not create a root without runs
        with only_run_below(folder.root):
            history = read_history(folder.root, folder.push_path)
            replaced = check_version(history.push_path, version)
            check_pushed_here(history, version)
            bounds = bounds_kept(history)
            done = roll_back(history.push_path.absolute(), version, replaced, bounds, reason)
            execution = record_rollback(folder.root, done.version, done.path, done.note)
        report_rollback(done, folder.root, execution, console)
