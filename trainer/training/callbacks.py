"""What watches a training: progress for people, and the checks that end it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping

import keras

from trainer.training.progress import PROGRESS_LOGGER

_progress = logging.getLogger(PROGRESS_LOGGER)


class ReportProgress(keras.callbacks.Callback):
    """Logs epoch, share done and accuracy, at most every `interval_s` seconds.

    Args:
        num_epochs: epochs of the run.
        steps_per_epoch: steps of one epoch.
        interval_s: seconds between two messages within an epoch.
    """

    def __init__(self, num_epochs: int, steps_per_epoch: int, interval_s: float = 0.5) -> None:
        super().__init__()
        self._num_epochs = num_epochs
        self._steps_per_epoch = steps_per_epoch
        self._interval_s = interval_s
        self._epoch = 0
        self._reported_at = 0.0
        self._last_eval = ""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Remembers which epoch runs."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Reports within a long epoch."""
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
        """Reports the epoch with its eval accuracy."""
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
    """Ends a training whose loss is NaN or infinite with an error that names the step.

    Args:
        first_step: steps done before.
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
    """Ends a training after `num_steps` steps, in the middle of an epoch if need be.

    Args:
        num_steps: steps in all.
        first_step: steps done before.
    """

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
