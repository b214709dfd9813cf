"""Tells in the terminal what a rollback came to."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from foundation.rollback_note import ROLLBACK_FILE
from pipeline.cli.train.report_run import as_typed
from pipeline.history.rollback import RolledBack


def report_rollback(
    done: RolledBack, root: Path | None, execution: int | None, console: Console
) -> None:
    """Prints what is served now, where it is recorded, how to check, and what later runs do.

    Args:
        done: the rollback.
        root: folder of the runs; None where only the served folder was named.
        execution: the number of its execution in ML Metadata; None where it is not recorded there.
        console: where to print.
    """

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
    dogbreed = as_typed("dogbreed")
    say("\nNext:")
    say(f"  {dogbreed} predict PICTURE --json      names the version that answered")
    if root is not None:
        say(f"  {dogbreed} history --root {escape(shlex.quote(str(root)))}")
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
