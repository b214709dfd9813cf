"""Runs a package on this machine for `dogbreed rehearse`, with progress on the terminal."""

from __future__ import annotations

import datetime
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from foundation.errors import RunFailedError, UserError
from foundation.lock import only_run_below
from foundation.names import REPORT_FILE
from pipeline.config.nodes import EVALUATOR, REPORT, TRAINER
from pipeline.kubeflow.check import check_package
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.rehearsal.containers import Containers
from pipeline.kubeflow.rehearsal.options import RehearsalOptions
from pipeline.kubeflow.rehearsal.steps import ChildProcesses, StepFailedError, StepRunner
from pipeline.kubeflow.rehearsal.tasks import Task, tasks_in_order
from pipeline.kubeflow.step.step_lines import failed_line
from pipeline.kubeflow.system_types import HTML, title_of
from pipeline.local.display import RunDisplay
from pipeline.local.log import output_to_log

_READ = {TRAINER.name, EVALUATOR.name}  # nodes that the outcome is read from

if TYPE_CHECKING:  # these import TensorFlow, which must wait until its output goes to the log
    from pipeline.history.outcome import Outcome
    from pipeline.kubeflow.rehearsal.artifacts import Exchange
    from pipeline.kubeflow.rehearsal.engine import Engine


@dataclass(frozen=True)
class FinishedRehearsal:
    """Results of a rehearsal that ended well."""

    outcome: Outcome
    parameters: dict[str, Any]
    """Values of the pipeline's parameters."""
    display: RunDisplay
    """Final status of each node."""
    report_path: Path | None
    """HTML report; None if the package has no Report."""
    log_path: Path


def rehearse(package: Package, options: RehearsalOptions, console: Console) -> FinishedRehearsal:
    """Runs a compiled pipeline on this machine and shows its progress.

    Raises:
        UserError: a step failed, or something that the user can fix is wrong.
    """
    for finding in check_package(package):
        console.print(f"On a cluster: {finding}", style="yellow", markup=False, soft_wrap=True)
    tasks = tasks_in_order(package)
    missing = _READ - {task.node for task in tasks}
    if missing:
        raise UserError(
            f"The package has no {' and no '.join(sorted(missing))}, of which a rehearsal reads "
            "what it came to: 'dogbreed compile' makes packages to rehearse."
        )
    with only_run_below(options.root, option="--root FOLDER"):
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
                _show_tail(error, shown)
                raise RunFailedError(error.node, error.reason, log_path) from None


def _show_tail(error: StepFailedError, console: Console) -> None:
    """Prints the end of a step's log, without the failure line that the command prints itself."""
    tail = [line for line in error.tail if not line.startswith(failed_line(error.node, ""))]
    if tail:
        console.print(f"\nThe end of {error.node}'s log:")
    for line in tail:
        console.print(f"  {line}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _rehearse_logged(
    package: Package,
    options: RehearsalOptions,
    tasks: list[Task],
    runner: StepRunner,
    display: RunDisplay,
    log_path: Path,
) -> FinishedRehearsal:
    logging.basicConfig(level=logging.INFO, force=True)
    from pipeline.kubeflow.rehearsal.engine import Engine

    exchange = _exchange(package, options, log_path.stem)
    engine = Engine(package, options, exchange, runner, display, log_path)
    engine.run(tasks)
    # Imported last: TensorFlow takes seconds, and a forgotten secret should show before.
    from pipeline.kubeflow.rehearsal.outcome import outcome_of

    outcome = outcome_of(engine, exchange, tasks)
    report_path = _kept_report(engine, exchange, options.root)
    return FinishedRehearsal(outcome, engine.parameters, display, report_path, log_path)


def _kept_report(engine: Engine, exchange: Exchange, root: Path) -> Path | None:
    """Copies Report's page, which has no file extension, to an .html file in the root."""
    if REPORT.name not in engine.results:
        return None
    [page] = (
        artifact
        for artifact in engine.results[REPORT.name].artifacts.values()
        if title_of(artifact) == HTML
    )
    return Path(shutil.copyfile(exchange.local_path(page["uri"]), root / REPORT_FILE))


def _exchange(package: Package, options: RehearsalOptions, started_at: str) -> Exchange:
    from pipeline.kubeflow.rehearsal.artifacts import DEFAULT_PIPELINE_ROOT, Bucket, LocalFolders

    if not options.like_cluster:
        return LocalFolders(options.root / "artifacts" / started_at)
    pipeline_root = package.pipeline.get("defaultPipelineRoot", DEFAULT_PIPELINE_ROOT)
    return Bucket(options.root / "bucket", options.root / "disks", pipeline_root, package.name)


def _runner(options: RehearsalOptions, tasks: list[Task]) -> StepRunner:
    if options.run_in != "processes":
        images = {image for task in tasks if (image := task.container.get("image"))}
        containers = Containers.connect(images, required=options.run_in == "containers")
        if containers is not None:
            return containers
    return ChildProcesses(frozenset(name for task in tasks for name in task.secrets))


def _new_log(root: Path) -> Path:
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    log_path = root / "logs" / f"{started_at}.log"
    log_path.parent.mkdir(exist_ok=True)
    return log_path
