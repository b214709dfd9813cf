"""Checkpoints from which an interrupted training resumes exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf


class TrainingCheckpoint:
    """Saves and restores weights, optimizer, random generators and the epoch together.

    TensorFlow's checkpoint manager writes a checkpoint whole before it names it the latest, so a
    training killed while saving resumes from the one before.

    Args:
        network: a compiled network whose optimizer is built.
        directory: where the latest checkpoint is kept.
    """

    def __init__(self, network: keras.Model, directory: Path) -> None:
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        # A plain list, because TensorFlow does not find dropout's random generators by itself.
        variables = [variable.value for variable in network.variables]
        variables += [variable.value for variable in network.optimizer.variables]
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(variables=variables, epoch=self._epoch),
            str(directory),
            max_to_keep=1,
        )

    def restore(self, default: int) -> int:
        """Restores the latest checkpoint and returns its number of epochs, else `default`."""
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
        """Saves the checkpoint."""
        self._checkpoint.save(epoch + 1)
