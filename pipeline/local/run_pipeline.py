"""Runs the whole pipeline on this machine (`dogbreed run`)."""

from __future__ import annotations

import datetime
import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from foundation.errors import RunFailedError, UserError, root_cause
from foundation.lock import only_run_below
from foundation.names import REPORT_FILE, REPORT_TYPE
from foundation.redact import log_to_standard_error
from foundation.user_function import load_function
from ingestion.dataset import Dataset, damaged_shard
from pipeline.config.config import Config
from pipeline.config.nodes import RECORD_READERS
from pipeline.history.rollback_guard import refuse_what_was_given_up
from pipeline.local.check_metadata import check_metadata
from pipeline.local.display import RunDisplay
from pipeline.local.find_records import find_records
from pipeline.local.log import output_to_log
from pipeline.local.observer import NodeFailedError
from pipeline.plan import Plan, make_plan
from trainer.networks.custom import CustomConfig
from trainer.networks.transfer.network import TransferConfig
from trainer.networks.transfer.weights import check_weights
from trainer.training.config import TrainerConfig
from trainer.tuning.values import searched_configs

if TYPE_CHECKING:  # these import TensorFlow, whose output must go to the log
    from pipeline.history.outcome import Outcome, Outputs


@dataclass(frozen=True)
class FinishedRun:
    """Result of `run`."""

    outcome: Outcome
    display: RunDisplay
    """The nodes' states."""
    log_path: Path
    """Log of the libraries."""
    report_path: Path | None
    """The HTML report; None where none was made."""


def run(config: Config, console: Console | None = None) -> FinishedRun:
    """Runs the whole pipeline on this machine.

    Raises:
        UserError: an error that the user can fix, such as a failed node.
        DatasetError: the images cannot be used.
    """
    console = console or Console()
    _check_weights(config)
    with only_run_below(config.root_path):
        started_at = datetime.datetime.now(datetime.timezone.utc)
        check_metadata(config.root_path)
        dataset = find_records(config, console)
        plan = make_plan(config, dataset)
        refuse_what_was_given_up(config, plan.recipe)
        log_path = _new_log(config.root_path)
        # output_to_log takes the original terminal, and the display draws on a copy: look at the
        # original before.
        is_terminal, width = console.is_terminal, console.width
        with output_to_log(log_path) as terminal:
            shown = Console(file=terminal, force_terminal=is_terminal, width=width)
            if not is_terminal and "tfx" not in sys.modules:
                shown.print("Loading TensorFlow and TFX ...")
            display = RunDisplay(shown)
            with display:
                return _run_logged(config, dataset, plan, started_at, display, log_path)


def _run_logged(
    config: Config,
    dataset: Dataset,
    plan: Plan,
    started_at: datetime.datetime,
    display: RunDisplay,
    log_path: Path,
) -> FinishedRun:
    _quieten_libraries()
    with _without_collecting_garbage():
        # Imported here because TensorFlow and TFX take seconds and print warnings.
        from pipeline.history.outcome import read_outcome
        from pipeline.history.record import RunRecord, end_recorded
        from pipeline.local.runner import ObservedDagRunner
        from pipeline.pipeline import create_pipeline
        from trainer.training.devices import split_processor

    logging.info("Configuration: %s", config.model_dump_json())
    split_processor(config.trainer.logical_devices)  # before any node uses TensorFlow
    _try_network(config.trainer, num_classes=len(dataset.labels))
    dag = create_pipeline(config, plan)
    record = RunRecord(config, dataset, plan.commit, started_at)
    runner = ObservedDagRunner(display, Path(dag.pipeline_info.pipeline_root), record)
    with end_recorded(record):
        try:
            runner.run(dag)
        except NodeFailedError as error:
            reason = _damage(config, dataset) if error.node_id in RECORD_READERS else ""
            if not reason:
                logging.exception("The run failed")
                reason = root_cause(error)
            raise RunFailedError(error.node_id, reason, log_path) from None
        outcome = read_outcome(runner.outputs)
        if outcome.pushed_path and not outcome.pushed_path.is_dir():
            raise UserError(
                f"Nothing has changed since this model was pushed, but {outcome.pushed_path} has "
                "been removed. Run with --fresh to train and push anew."
            )
        record.end_with(outcome)
    return FinishedRun(outcome, display, log_path, _report_path(runner.outputs))


def _damage(config: Config, dataset: Dataset) -> str:
    """Says which shard is damaged and what to do; empty if none is.

    Asked only after a failure, because the answer takes reading all of them.
    """
    shard = damaged_shard(dataset)
    if shard is None:
        return ""
    is_ours = config.root_path in shard.absolute().parents
    remedy = f"remove {dataset.path} and run again, to" if is_ours else "copy it again, or"
    return f"{shard} is damaged or cut short: {remedy} convert the pictures again."


def _check_weights(config: Config) -> None:
    """Raises UserError if a backbone's weights, or those of one in a search, are unavailable."""
    networks = [each.network for each in searched_configs(config.tuner, config.trainer)]
    for network in {each.model_dump_json(): each for each in networks}.values():
        check_weights(network)


def _try_network(config: TrainerConfig, num_classes: int) -> None:
    """Tries the user's functions and weights, to find mistakes before nodes that may take long.

    Raises:
        UserError: a function is missing, or it or the weights do not fit these images.
    """
    from trainer.networks.registry import build_network, outline_network

    for name in config.user_functions:
        load_function(name)
    network = config.network
    try:
        if isinstance(network, CustomConfig):
            outline_network(network, num_classes)
        elif isinstance(network, TransferConfig) and network.weights_file is not None:
            build_network(network, num_classes)
    except ValueError as error:
        raise UserError(f"trainer.network: {error}.") from error


def _report_path(outputs: Mapping[str, Outputs]) -> Path | None:
    artifacts = (each for node in outputs.values() for group in node.values() for each in group)
    return next(
        (Path(each.uri, REPORT_FILE) for each in artifacts if each.type_name == REPORT_TYPE), None
    )


@contextmanager
def _without_collecting_garbage() -> Iterator[None]:
    """Disables garbage collection: a tenth of the import time of the first run in a process.

    Later runs need it, to free the model of the run before.
    """
    if "tfx" in sys.modules:
        gc.collect()
        yield
        return
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _quieten_libraries() -> None:
    """Sends Python logging to standard error, now the log file."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    log_to_standard_error()


def _new_log(root: Path) -> Path:
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    log_path = root / "logs" / f"{started_at}.log"
    log_path.parent.mkdir(exist_ok=True)
    return log_path
