"""`dogbreed run`: from a configuration to a verdict, with the terminal kept for people."""

from __future__ import annotations

import datetime
import fcntl
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline.config import Config
from pipeline.data import find_records
from pipeline.display import RunDisplay
from pipeline.errors import UserError
from pipeline.nodes import NodeFailedError
from pipeline.plan import Plan, make_plan
from pipeline.quiet import output_to_log

if TYPE_CHECKING:  # these import TensorFlow, which must wait until its output goes to the log
    from pipeline.outcome import Outcome


@dataclass(frozen=True)
class FinishedRun:
    """What `run` leaves to report."""

    outcome: Outcome
    """The verdict."""
    display: RunDisplay
    """The nodes, as they ended."""
    log_path: Path
    """Where everything else was written."""


def run(config: Config, console: Console) -> FinishedRun:
    """Runs the whole pipeline on this machine.

    Args:
        config: the run's configuration.
        console: where progress is shown.

    Raises:
        UserError: something the user can put right, a failed node among it.
        DatasetError: the pictures cannot be used.
    """
    with _only_run_below(config.root_path):
        plan = make_plan(config, find_records(config, console))
        log_path = _new_log(config.root_path)
        # The display draws on a copy of the terminal, because output_to_log takes the original:
        # what the original is must be asked before.
        is_terminal, width = console.is_terminal, console.width
        with output_to_log(log_path) as terminal:
            shown = Console(file=terminal, force_terminal=is_terminal, width=width)
            display = RunDisplay(shown)
            with display:
                return FinishedRun(_run_logged(config, plan, display, log_path), display, log_path)


def _run_logged(config: Config, plan: Plan, display: RunDisplay, log_path: Path) -> Outcome:
    _quieten_libraries()
    # Imported here, because they import TensorFlow and TFX: seconds, and pages of warnings. Eight
    # thousand modules leave no garbage, so looking for it meanwhile is a tenth of that time.
    gc.disable()
    from pipeline.local_runner import ObservedDagRunner
    from pipeline.outcome import read_outcome
    from pipeline.pipeline import create_pipeline

    gc.freeze()
    gc.enable()

    logging.info("Configuration: %s", config.model_dump_json())
    dag = create_pipeline(config, plan)
    runner = ObservedDagRunner(display, Path(dag.pipeline_info.pipeline_root))
    try:
        runner.run(dag)
    except NodeFailedError as error:
        logging.exception("The run failed")
        raise UserError(
            f"{error.node_id} failed: {_root_cause(error)}\nThe whole story is in {log_path}."
        ) from None
    outcome = read_outcome(runner.outputs)
    if outcome.pushed_path and not outcome.pushed_path.is_dir():
        raise UserError(
            f"Nothing has changed since this model was pushed, but {outcome.pushed_path} has been "
            "removed. Run with --fresh to train and push anew."
        )
    return outcome


def _quieten_libraries() -> None:
    """Sends Python logging to standard error, which is the log file by now."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )


def _root_cause(error: BaseException) -> str:
    """Finds the first cause, and shortens what libraries made of it to a line or two."""
    cause: BaseException = error
    while deeper := cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__):
        cause = deeper
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if not lines:
        return type(cause).__name__
    # Our own errors are whole sentences; of a foreign one the kind is half the information.
    ours = type(cause).__module__.partition(".")[0] in ("components", "trainer", "pipeline")
    return lines[0] if ours else f"{type(cause).__name__}: {lines[0]}"


def _new_log(root: Path) -> Path:
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    log_path = root / "logs" / f"{started_at}.log"
    log_path.parent.mkdir(exist_ok=True)
    return log_path


@contextmanager
def _only_run_below(root: Path) -> Iterator[None]:
    """Holds a lock on `root`, so that two runs do not write the same metadata.

    Raises:
        UserError: another run holds it, or `root` cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / ".lock", os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        raise UserError(
            f"The run's folder {root} cannot be written: {error.strerror}. Name another with "
            "--set root=FOLDER."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run is at work in {root}. Wait for it, or name another folder with "
                "--set root=FOLDER."
            ) from None
        yield
    finally:
        os.close(lock)
