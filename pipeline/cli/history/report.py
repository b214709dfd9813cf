"""Command `dogbreed report`: opens the report of a run."""

from __future__ import annotations

import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.errors import UserError
from foundation.names import REPORT_FILE
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption
from pipeline.history.past_run import History, PastRun
from pipeline.history.record_names import State

if TYPE_CHECKING:
    pass

# Any of these indicates a screen or a program that reaches one.
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def find_report(history: History, text: str | None) -> Path:
    """Finds the report page of a run, or of the last run with one where `text` is None.

    Raises:
        UserError: there is no such run, or it left no report.
    """
    from pipeline.history.choose_run import choose_run

    if text is not None:
        run = choose_run(history.runs, text)
        if run.report is None:
            raise UserError(f"Run {run.number} left no report{_why(run)}.")
        return _page(run)
    run_with_report = next((run for run in reversed(history.runs) if run.report is not None), None)
    if run_with_report is None:
        raise UserError(
            f"No run below {history.root} has left a report yet. 'dogbreed run' makes one, unless "
            "report.enabled is false."
        )
    return _page(run_with_report)


def show_report(page: Path, console: Console, *, opened: bool) -> None:
    """Prints the path of the page, and opens it if asked to and there is a screen."""
    if not opened or not _has_screen():
        console.print(str(page), soft_wrap=True, highlight=False, markup=False)
        return
    # In a process of its own: some browsers block until they are closed.
    subprocess.Popen(
        [sys.executable, "-m", "webbrowser", page.absolute().as_uri()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    console.print(f"Opening {page}", soft_wrap=True, highlight=False, markup=False)


def _has_screen() -> bool:
    if not any(os.environ.get(name) for name in _SCREENS):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _page(run: PastRun) -> Path:
    page = Path(str(run.report), REPORT_FILE)
    if not page.is_file():
        raise UserError(f"The report of run {run.number}, {page}, has been removed.")
    return page


def _why(run: PastRun) -> str:
    if run.configuration.get("report", {}).get("enabled") is False:
        return ": report.enabled was false"
    if run.state is State.FAILED and run.failed_node:
        return f": it failed at {run.failed_node}"
    if run.state in (State.RUNNING, State.INTERRUPTED):
        return (
            f": it is {run.state.value}" if run.state is State.RUNNING else ": it was interrupted"
        )
    return ": it was made by an earlier version of dogbreed"


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
        from pipeline.history.choose_run import find_root
        from pipeline.history.read_runs import read_history

        folder = find_root(root, config, settings or [])
        past = read_history(folder.root, folder.push_path)
        show_report(find_report(past, run), Console(), opened=not path_only)
