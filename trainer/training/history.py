"""`history.csv`: what every epoch came to, for pictures and comparisons."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path

import keras

from trainer.training.progress import HISTORY_FILE

COLUMNS = (
    "epoch", "step", "elapsed_s", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
)  # fmt: skip
"""Its header: epochs and steps done, seconds of training, cross-entropies in nats, accuracies as
shares over the train and eval split, and the learning rate of the last step."""


def steps_done(directory: Path) -> int:
    """Returns the step after which training ended, from the history in `directory`."""
    return max(int(row["step"]) for row in read_history(directory))


def read_history(directory: Path) -> list[dict[str, str]]:
    """Reads the rows of the history in `directory`; a value that was not measured is empty."""
    with (directory / HISTORY_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


class WriteHistory(keras.callbacks.Callback):
    """Adds one row after each epoch.

    Args:
        directory: folder of the file.
        steps_per_epoch: steps of one epoch.
        first_epoch: epochs done before; later rows in the file are of a training that was
            interrupted before its checkpoint, and are dropped.
    """

    def __init__(self, directory: Path, steps_per_epoch: int, first_epoch: int) -> None:
        super().__init__()
        self._path = directory / HISTORY_FILE
        self._steps_per_epoch = steps_per_epoch
        self._first_epoch = first_epoch
        self._steps_in_epoch = 0
        self._elapsed_before_s = 0.0
        self._started_at = 0.0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Keeps the rows of the epochs that count."""
        rows = []
        if self._path.exists():
            with self._path.open(newline="") as file:
                rows = [
                    row for row in csv.DictReader(file) if int(row["epoch"]) <= self._first_epoch
                ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        self._elapsed_before_s = float(rows[-1]["elapsed_s"]) if rows else 0.0
        self._started_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Starts to count steps."""
        self._steps_in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Counts a step: the last epoch may be cut short."""
        self._steps_in_epoch += 1

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes the epoch's row."""
        row: dict[str, float | str] = {
            "epoch": epoch + 1,
            "step": epoch * self._steps_per_epoch + self._steps_in_epoch,
            "elapsed_s": round(self._elapsed_before_s + time.monotonic() - self._started_at, 3),
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
        }
        measured = dict(logs or {})
        row |= {name: measured.get(name, "") for name in COLUMNS if name not in row}
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
