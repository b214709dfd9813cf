"""Keras callbacks: history, histograms, progress messages, and checks that end a training."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainer.training.history import COLUMNS, HISTORY_FILE, PROGRESS_LOGGER

_MOST_VALUES = 100_000


class WriteHistograms(keras.callbacks.Callback):
    """Writes a histogram of every variable after each epoch, in TensorBoard's `train` run.

    Keras's own TensorBoard callback passes every weight to `tf.summary.histogram`, which needs 240
    bytes for each: 25 GB for a dense layer of a hundred million. This one samples large variables
    at even distances.
    """

    def __init__(self, log_dir: Path) -> None:
        super().__init__()
        self._directory = str(log_dir / "train")
        self._writer: tf.summary.SummaryWriter | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes the epoch's histograms."""
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._directory)
        with self._writer.as_default():
            for variable in self.model.trainable_variables:
                values = np.ravel(keras.ops.convert_to_numpy(variable))
                stride = max(1, values.size // _MOST_VALUES)
                tf.summary.histogram(variable.path, values[::stride], step=epoch)
        self._writer.flush()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WriteHistory(keras.callbacks.Callback):
    """Appends a row to `history.csv` after each epoch.

    Args:
        directory: folder of the file.
        steps_per_epoch: steps of one epoch.
        first_epoch: epochs done before; later rows in the file are of a training that was
            interrupted before its checkpoint, and are dropped.
        prepared_s: seconds that it took before the first of these epochs, in addition.
    """

    def __init__(
        self, directory: Path, steps_per_epoch: int, first_epoch: int, prepared_s: float = 0.0
    ) -> None:
        super().__init__()
        self._path = directory / HISTORY_FILE
        self._steps_per_epoch = steps_per_epoch
        self._first_epoch = first_epoch
        self._steps_in_epoch = 0
        self._prepared_s = prepared_s
        self._elapsed_before_s = 0.0
        self._started_at = 0.0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Drops the rows of epochs after `first_epoch`."""
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
        before_s = float(rows[-1]["elapsed_s"]) if rows else 0.0
        self._elapsed_before_s = before_s + self._prepared_s
        self._started_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Resets the count of steps."""
        self._steps_in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Counts steps, because the last epoch may be cut short."""
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


_progress = logging.getLogger(PROGRESS_LOGGER)


class ReportProgress(keras.callbacks.Callback):
    """Logs epoch, percentage done and accuracy, at most every `interval_s` seconds."""

    def __init__(self, num_epochs: int, steps_per_epoch: int, interval_s: float = 0.5) -> None:
        super().__init__()
        self._num_epochs = num_epochs
        self._steps_per_epoch = steps_per_epoch
        self._interval_s = interval_s
        self._epoch = 0
        self._reported_at = 0.0
        self._last_eval = ""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Stores the number of the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Logs progress within a long epoch."""
        now = time.monotonic()
        if logs and now - self._reported_at >= self._interval_s:
            self._reported_at = now
            share = f"{(batch + 1) / self._steps_per_epoch:.0%}"
            _progress.info(
                "epoch %d/%d %s, accuracy %.3f%s",
                self._epoch,
                self._num_epochs,
                share,
                logs["accuracy"],
                self._last_eval,
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Logs the epoch with its eval accuracy."""
        if logs:
            if "val_accuracy" in logs:  # not after every epoch, if so configured
                self._last_eval = f", eval {logs['val_accuracy']:.3f}"
            _progress.info(
                "epoch %d/%d, accuracy %.3f%s",
                epoch + 1,
                self._num_epochs,
                logs["accuracy"],
                self._last_eval,
                extra={"milestone": True},
            )


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises on a loss of NaN or infinity, with a message that names the step.

    `first_step` is the number of steps done before.
    """

    def __init__(self, first_step: int = 0) -> None:
        super().__init__()
        self._step = first_step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Checks the running mean of the loss, which stays non-finite once it was.

        Raises:
            ValueError: the loss is not finite.
        """
        self._step += 1
        if logs and not math.isfinite(logs["loss"]):
            raise ValueError(
                f"The loss is {logs['loss']} at step {self._step}. Lower trainer.learning_rate, "
                "or look for broken labels in the data."
            )


class StopAfterSteps(keras.callbacks.Callback):
    """Ends a training after `num_steps` steps in all, of which `first_step` were done before."""

    def __init__(self, num_steps: int, first_step: int = 0) -> None:
        super().__init__()
        self._num_steps = num_steps
        self._step = first_step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Counts steps."""
        self._step += 1
        if self._step >= self._num_steps:
            self.model.stop_training = True


class StopAtLossTolerance(keras.callbacks.Callback):
    """Ends a training after an epoch whose mean loss is at most `tolerance`, in nats."""

    def __init__(self, tolerance: float) -> None:
        super().__init__()
        self._tolerance = tolerance

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Compares the epoch's mean training loss."""
        if logs and logs["loss"] <= self._tolerance:
            self.model.stop_training = True
