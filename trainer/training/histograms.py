"""Histograms of all weights in TensorBoard, for networks of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

_MOST_VALUES = 100_000


class WriteHistograms(keras.callbacks.Callback):
    """Writes a histogram of every variable after each epoch, in TensorBoard's `train` run.

    Keras's own TensorBoard callback hands every single weight to `tf.summary.histogram`, which
    needs 240 bytes for each: 25 GB for a dense layer of a hundred million. Of large variables this
    one takes weights at even distances, which have the same distribution to the eye.

    Args:
        log_dir: TensorBoard's folder.
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
