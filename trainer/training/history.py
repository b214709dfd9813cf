"""Reads `history.csv`, the training curve with a row for each epoch."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from foundation.errors import UserError

PROGRESS_LOGGER = "dogbreed.progress"
"""Logger whose messages a runner shows beside the running node. A record with a true `milestone`
attribute gets a line of its own where there is no terminal."""

HISTORY_FILE = "history.csv"
"""Name of the file, beside the TensorBoard runs."""


@dataclass(frozen=True)
class Epoch:
    """Results after one epoch. Accuracies are fractions, losses nats."""

    epoch: int
    """Epochs done, from 1."""
    step: int
    elapsed_s: float
    """Seconds of training so far."""
    loss: float
    accuracy: float
    val_loss: float | None
    """Loss over the eval split; None after epochs that `trainer.eval_every_epochs` skips."""
    val_accuracy: float | None
    """Accuracy over the eval split; None as above."""
    learning_rate: float
    """At the last step."""


COLUMNS = tuple(field.name for field in dataclasses.fields(Epoch))
"""The file's header: the names in `Epoch`. What was not measured is an empty cell."""


def read_history(training_logs: Path) -> tuple[Epoch, ...]:
    """Reads at least one row from Trainer's folder of training curves.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    path = training_logs / HISTORY_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            history = tuple(map(_epoch, csv.DictReader(file)))
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
        raise UserError(f"{path} has no epoch in it. Train anew with --fresh.")
    return history


def _epoch(row: dict[str, str]) -> Epoch:
    return Epoch(
        epoch=int(row["epoch"]),
        step=int(row["step"]),
        elapsed_s=float(row["elapsed_s"]),
        loss=float(row["loss"]),
        accuracy=float(row["accuracy"]),
        val_loss=_measured(row["val_loss"]),
        val_accuracy=_measured(row["val_accuracy"]),
        learning_rate=float(row["learning_rate"]),
    )


def _measured(cell: str) -> float | None:
    return None if cell == "" else float(cell)


class CurvePoint(NamedTuple):
    """A point of a training curve, after an epoch that was evaluated."""

    step: int
    elapsed_s: float
    accuracy: float
    """Over the eval split, a fraction."""


def eval_curve(history: Sequence[Epoch]) -> tuple[CurvePoint, ...]:
    """Returns the eval accuracy over the training, without epochs that were not evaluated."""
    return tuple(
        CurvePoint(epoch.step, epoch.elapsed_s, epoch.val_accuracy)
        for epoch in history
        if epoch.val_accuracy is not None
    )
