"""`dogbreed rehearse`: from a package to a verdict, with the terminal kept for people."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline.display import RunDisplay
from pipeline.errors import RunFailedError
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.rehearsal.child_processes import ChildProcesses
from pipeline.kubeflow.rehearsal.containers import Containers
from pipeline.kubeflow.rehearsal.options import RehearsalOptions, Value
from pipeline.kubeflow.rehearsal.steps import StepFailedError, StepRunner
from pipeline.kubeflow.rehearsal.tasks import Task, tasks_in_order
from pipeline.lock import only_run_below
from pipeline.quiet import output_to_log

if TYPE_CHECKING:  # these import TensorFlow, which must wait until its output goes to the log
    from pipeline.kubeflow.rehearsal.exchange import Exchange
    from pipeline.outcome import Outcome


@dataclass(frozen=True)
class FinishedRehearsal:
    """What `rehearse` leaves to report."""

    outcome: Outcome
    """The verdict."""
    parameters: dict[str, Value]
    """The pipeline's parameters, as they were."""
    display: RunDisplay
    """The nodes, as they ended."""
    log_path: Path
    """Where everything else was written."""


def rehearse(package: Package, options: RehearsalOptions, console: Console) -> FinishedRehearsal:
    """Runs a compiled pipeline on this machine.

    Args:
        package: the compiled pipeline.
        options: how.
        console: where progress is shown.

    Raises:
        UserError: something the user can put right, a failed step among it.
    """
    tasks = tasks_in_order(package)
    with only_run_below(options.root):
        log_path = _new_log(options.root)
        runner = _runner(options, tasks)
        console.print(f"Steps run in {runner.name}.")
        is_terminal, width = console.is_terminal, console.width
        with output_to_log(log_path) as terminal:
            shown = Console(file=terminal, force_terminal=is_terminal, width=width)
            display = RunDisplay(shown)
            try:
                with display:
                    return _rehearse_logged(package, options, tasks, runner, display, log_path)
            except StepFailedError as error:
                shown.print(f"\nThe end of {error.node}'s log:")
                for line in error.tail:
                    shown.print(
                        f"  {line}", style="dim", markup=False, highlight=False, soft_wrap=True
                    )
                raise RunFailedError(error.node, error.reason, log_path) from None


def _rehearse_logged(
    package: Package,
    options: RehearsalOptions,
    tasks: list[Task],
    runner: StepRunner,
    display: RunDisplay,
    log_path: Path,
) -> FinishedRehearsal:
    logging.basicConfig(level=logging.INFO, force=True)
    # Imported here, because they import TensorFlow: seconds, and pages of warnings.
    from pipeline.kubeflow.rehearsal.engine import Engine
    from pipeline.kubeflow.rehearsal.outcome import outcome_of

    exchange = _exchange(package, options)
    engine = Engine(package, options, exchange, runner, display, log_path)
    engine.run(tasks)
    return FinishedRehearsal(outcome_of(engine, exchange), engine.parameters, display, log_path)


def _exchange(package: Package, options: RehearsalOptions) -> Exchange:
    from pipeline.kubeflow.rehearsal.bucket import DEFAULT_PIPELINE_ROOT, Bucket
    from pipeline.kubeflow.rehearsal.exchange import LocalFolders

    if not options.like_cluster:
        started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        return LocalFolders(options.root / "artifacts" / started_at)
    pipeline_root = package.pipeline.get("defaultPipelineRoot", DEFAULT_PIPELINE_ROOT)
    return Bucket(options.root / "bucket", options.root / "disks", pipeline_root, package.name)


def _runner(options: RehearsalOptions, tasks: list[Task]) -> StepRunner:
    if options.run_in != "processes":
        images = {task.container["image"] for task in tasks if task.container}
        containers = Containers.connect(images, required=options.run_in == "containers")
        if containers is not None:
            return containers
    return ChildProcesses(frozenset(name for task in tasks for name in task.secrets))


def _new_log(root: Path) -> Path:
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    log_path = root / "logs" / f"{started_at}.log"
    log_path.parent.mkdir(exist_ok=True)
    return log_path
