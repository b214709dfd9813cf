"""Checkpoints from which an interrupted training goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf


class TrainingCheckpoint:
    """Weights, optimizer, generators of random numbers and the epoch, saved as one.

    TensorFlow's checkpoint manager writes a checkpoint whole before it names it the latest, so
    that a training that is killed while saving goes on from the one before.

    Args:
        network: a compiled network whose optimizer is built.
        directory: where checkpoints are kept; the latest only.
    """

    def __init__(self, network: keras.Model, directory: Path) -> None:
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        # The plain list of variables, because TensorFlow does not find all of them by itself: the
        # generators behind dropout would start anew.
        variables = [variable.value for variable in network.variables]
        variables += [variable.value for variable in network.optimizer.variables]
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(variables=variables, epoch=self._epoch),
            str(directory),
            max_to_keep=1,
        )

    def restore(self, default: int) -> int:
        """Restores the latest checkpoint, if there is one.

        Args:
            default: the answer if there is none.

        Returns:
            How many epochs were done.
        """
        if not self._manager.latest_checkpoint:
            return default
        self._manager.checkpoint.restore(self._manager.latest_checkpoint).assert_consumed()
        return int(self._epoch.numpy())

    def save(self, epoch: int) -> None:
        """Saves a checkpoint after `epoch` epochs."""
        self._epoch.assign(epoch)
        self._manager.save()


class SaveCheckpoint(keras.callbacks.Callback):
    """Saves a checkpoint after each epoch."""

    def __init__(self, checkpoint: TrainingCheckpoint) -> None:
        super().__init__()
        self._checkpoint = checkpoint

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Saves."""
        self._checkpoint.save(epoch + 1)
