"""Cross-validates: runs the pipeline once for each fold (`dogbreed run --folds`)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from components.evaluator.metrics import Figures
from foundation.errors import RunFailedError, UsageError, UserError
from foundation.lock import only_run_below
from ingestion.dataset import Dataset
from pipeline.config.config import Config
from pipeline.local.find_records import find_records
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from trainer.training.history import read_history

_FILE = "cross-validation.csv"


@dataclass(frozen=True)
class FoldResult:
    """Result of one fold, with a model trained on all others."""

    fold: int
    """From 0."""
    figures: Figures
    num_train_examples: int
    num_eval_examples: int
    training_s: float
    missed_bounds: tuple[str, ...]
    """Each missed bound, as a message."""
    reused: bool
    """Whether all of it was cached."""


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of a figure over all folds."""

    mean: float
    """Unweighted mean."""
    deviation: float
    """Sample standard deviation, with n - 1."""


def spread(values: list[float]) -> Spread:
    """Computes mean and sample standard deviation of at least two values."""
    return Spread(statistics.fmean(values), statistics.stdev(values))


def cross_validate(
    config: Config,
    num_folds: int,
    console: Console,
    fold_ended: Callable[[list[FoldResult]], None],
) -> list[FoldResult]:
    """Trains and evaluates once for each fold; nothing is pushed.

    `fold_ended` is called with all results so far. Results of earlier runs, finished or not, are
    reused. `config.data.convert.folds` must be `num_folds`.

    Raises:
        UserError: an error that the user can fix, such as a failed node.
        DatasetError: the images cannot be used, or are too few for the folds.
    """
    if config.data.fold is not None:
        raise UsageError(
            f"data.fold={config.data.fold} asks for one fold, --folds for all of them: leave one "
            "of the two out."
        )
    with only_run_below(config.root_path):
        dataset = find_records(config, console)
    _check_folds(dataset, num_folds)
    results: list[FoldResult] = []
    for fold in range(num_folds):
        console.print(f"\n[bold]Fold {fold + 1} of {num_folds}[/]")
        try:
            finished = run(_of_fold(config, fold), console)
        except RunFailedError as error:
            raise UserError(
                f"Fold {fold + 1} of {num_folds}: {error}\nFolds that have ended are kept: the "
                "same command goes on from here."
            ) from error
        results.append(_result(fold, dataset, finished))
        fold_ended(results)
    return results


def results_path(config: Config) -> Path:
    """Returns the CSV file of the cross-validation."""
    return config.root_path / _FILE


def _check_folds(dataset: Dataset, num_folds: int) -> None:
    """Raises UserError if the user's records have other folds, or none."""
    num_there = sum(name.startswith("fold-") for name in dataset.splits)
    if num_there == num_folds:
        return
    there = (
        f"have {num_there} folds, not {num_folds}: say --folds {num_there}"
        if num_there
        else f"have no folds but the splits {' and '.join(dataset.splits)}"
    )
    sentence = "name the pictures themselves as --data, or convert them anew with --folds"
    raise UserError(f"The records in {dataset.path} {there}; or {sentence} {num_folds}.")


def _of_fold(config: Config, fold: int) -> Config:
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"fold": fold}),
            "pusher": config.pusher.model_copy(update={"enabled": False}),
            "report": config.report.model_copy(update={"enabled": False}),
        }
    )


def _result(fold: int, dataset: Dataset, finished: FinishedRun) -> FoldResult:
    outcome = finished.outcome
    num_examples = sum(split.num_examples for split in dataset.splits.values())
    return FoldResult(
        fold=fold,
        figures=outcome.figures,
        num_train_examples=num_examples - dataset.splits[f"fold-{fold}"].num_examples,
        num_eval_examples=outcome.num_eval_examples,
        training_s=read_history(outcome.training_logs)[-1].elapsed_s,
        missed_bounds=outcome.missed_bounds,
        reused=set(finished.display.nodes.values()) == {NodeStatus.REUSED},
    )
