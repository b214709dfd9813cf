"""Finds the records and the answers of a run whose labels are to be reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import DatasetError, UserError
from ingestion.dataset import DATASET_FILE, Dataset, load_dataset
from pipeline.history.choose_run import choose_run
from pipeline.history.past_run import History, PastRun


@dataclass(frozen=True)
class ReviewedRun:
    """A run with its records, and the evaluations of models that have not seen the images."""

    run: PastRun
    dataset: Dataset
    evaluations: tuple[Path, ...]
    """One for the eval split, or for each fold that was held out."""
    num_answered: int
    """Images in these."""


def find_reviewed_run(history: History, text: str | None) -> ReviewedRun:
    """Finds a run, or the last one that was evaluated where `text` is None.

    In a cross-validation, the runs of the other folds are added: together they have an answer to
    every image.

    Raises:
        UserError: there is no such run, it was not evaluated, or its records are gone.
    """
    evaluated = [run for run in history.runs if run.evaluation is not None]
    if text is not None:
        run = choose_run(history.runs, text)
    elif evaluated:
        run = evaluated[-1]
    else:
        raise UserError(
            f"No run below {history.root} has been evaluated yet, so that no model can say which "
            "labels it doubts. 'dogbreed run' begins one."
        )
    if run.evaluation is None:
        raise UserError(f"Run {run.number} was not evaluated: it is {run.state.value}.")
    dataset = _find_dataset(history.root, run)
    held_out = {
        _held_out(each, dataset): each
        for each in (*evaluated, run)
        if each.data_fingerprint == run.data_fingerprint
    }
    return ReviewedRun(
        run=run,
        dataset=dataset,
        evaluations=tuple(each.evaluation for each in held_out.values() if each.evaluation),
        num_answered=sum(dataset.splits[split].num_examples for split in held_out),
    )


def _held_out(run: PastRun, dataset: Dataset) -> str:
    """Returns the split that the run's model has not seen."""
    if "eval" in dataset.splits:
        return "eval"
    return f"fold-{run.configuration.get('data', {}).get('fold') or 0}"


def _find_dataset(root: Path, run: PastRun) -> Dataset:
    for folder in _candidates(root, run):
        try:
            dataset = load_dataset(folder)
        except DatasetError:
            continue
        if dataset.fingerprint == run.data_fingerprint:
            return dataset
    raise UserError(
        f"The records of run {run.number} are no longer below {root / 'records'}, nor where it "
        "read them: run it again."
    )


def _candidates(root: Path, run: PastRun) -> Iterator[Path]:
    source = run.configuration.get("data", {}).get("source") or run.data_source
    if source is not None:
        yield Path(source)
    # Decisions that change no record give an equal set: the newest knows them all.
    records = list(root.glob(f"records/*/{DATASET_FILE}"))
    yield from (file.parent for file in sorted(records, key=lambda each: -each.stat().st_mtime_ns))
