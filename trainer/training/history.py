"""`history.csv`: what every epoch came to, for pictures and comparisons."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError

PROGRESS_LOGGER = "dogbreed.progress"
"""Name of the logger whose messages a runner shows beside the running node. A record with a true
`milestone` attribute is worth a line of its own where there is no terminal."""

HISTORY_FILE = "history.csv"
"""Name of the file, beside the TensorBoard runs, in which training writes a row for each epoch."""


@dataclass(frozen=True)
class Epoch:
    """How training stood after one epoch. Accuracies are shares, losses nats."""

    epoch: int
    """Epochs done, from 1."""
    step: int
    """Training steps done."""
    elapsed_s: float
    """Seconds of training so far."""
    loss: float
    """Mean loss over the train split."""
    accuracy: float
    """Accuracy over the train split."""
    val_loss: float
    """Loss over the eval split."""
    val_accuracy: float
    """Accuracy over the eval split."""
    learning_rate: float
    """Learning rate of the last step."""


def read_history(training_logs: Path) -> tuple[Epoch, ...]:
    """Reads the curve of one training.

    Args:
        training_logs: Trainer's folder of training curves.

    Returns:
        One row for each epoch that was measured on the eval split, at least one.

    Raises:
        UserError: there is no curve, or it cannot be read.
    """
    path = training_logs / HISTORY_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # Not every epoch is measured, where trainer.eval_every_epochs says so.
            history = tuple(_epoch(row) for row in csv.DictReader(file) if row["val_loss"] != "")
    except FileNotFoundError:
        raise UserError(
            f"{training_logs} has no {HISTORY_FILE}: it was removed, or an older version of "
            "dogbreed trained this model. Train it anew with --fresh."
        ) from None
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}). Train anew with --fresh."
        ) from error
    if not history:
        raise UserError(f"{path} has no measured epoch in it. Train anew with --fresh.")
    return history


def _epoch(row: dict[str, str]) -> Epoch:
    return Epoch(
        epoch=int(row["epoch"]),
        step=int(row["step"]),
        elapsed_s=float(row["elapsed_s"]),
        loss=float(row["loss"]),
        accuracy=float(row["accuracy"]),
        val_loss=float(row["val_loss"]),
        val_accuracy=float(row["val_accuracy"]),
        learning_rate=float(row["learning_rate"]),
    )


COLUMNS = (
    "epoch", "step", "elapsed_s", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
)  # fmt: skip
"""Its header: epochs and steps done, seconds of training, cross-entropies in nats, accuracies as
shares over the train and eval split, and the learning rate of the last step."""


def steps_done(directory: Path) -> int:
    """Returns the step after which training ended, from the history in `directory`."""
    return max(int(row["step"]) for row in history_rows(directory))


def history_rows(directory: Path) -> list[dict[str, str]]:
    """Reads the rows of the history in `directory`; a value that was not measured is empty."""
    with (directory / HISTORY_FILE).open(newline="") as file:
        return list(csv.DictReader(file))
