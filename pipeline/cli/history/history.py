"""Command `dogbreed history`: lists or compares runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption

_WIDTH_IN_FILE = 160  # columns, if there is no terminal


@app.command()
def history(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Two runs to compare, or one to compare with the run before it: a number, "
            "'last', 'last-1' for the one before, or how its start begins, such as "
            "'2026-11-21 18:3'. Default: list all.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="List the newest N runs. Default: all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = (
        False
    ),
) -> None:
    """List past runs: what changed, how good the model was, and what became of it.

    A line a run, the newest last: its data, which settings differ from the run before, accuracy,
    and whether the model was pushed, refused by a bound, or not come to. Rollbacks stand among
    them, and the last line says which version is served now. Folds and variants of
    [bold]dogbreed compare[/] are runs like others.

    [bold]dogbreed history 3[/] shows run 3 beside the one before it, [bold]dogbreed history 1
    last[/] any two: settings, data, figures, the breeds that differ most, and the nodes' times.

    All of it is read from ML Metadata ([bold]metadata.sqlite[/] below the run's folder); a run
    in progress is not disturbed. Default: of the runs in runs/ the one that was last.
    """
    with clear_errors("Nothing was changed."):
        from foundation.errors import UsageError, UserError
        from pipeline.cli.history.show_history import history_json, show_history
        from pipeline.cli.history.show_pair import pair_json, show_pair
        from pipeline.history.choose_run import choose_run, find_root
        from pipeline.history.read_runs import read_history

        folder = find_root(root, config, settings or [])
        past = read_history(folder.root, folder.push_path)
        in_file = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        console = Console(width=_WIDTH_IN_FILE if in_file else None)
        if not runs:
            if as_json:
                print(history_json(past))
            else:
                show_history(past, limit, console)
            return
        if len(runs) > 2:
            raise UsageError(f"'dogbreed history' compares two runs, not {len(runs)}.")
        after = choose_run(past.runs, runs[-1])
        if len(runs) == 1 and after.number == 1:
            raise UserError("There is no run before run 1 to compare it with.")
        before = choose_run(past.runs, runs[0] if len(runs) == 2 else str(after.number - 1))
        if as_json:
            print(pair_json(before, after))
        else:
            show_pair(before, after, past, console)
