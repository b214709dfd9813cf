"""Pictures as TensorBoard images, in the run that the training curves are in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

_TRAIN_RUN = "train"  # as Keras' TensorBoard callback names it


class ImageEvents:
    """Writes images to TensorBoard's `train` run.

    Args:
        log_dir: the folder that TensorBoard is given.
    """

    def __init__(self, log_dir: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(log_dir / _TRAIN_RUN))

    def write(self, images: Mapping[str, Image.Image], step: int) -> None:
        """Writes images by tag, at once visible to TensorBoard."""
        # Keras' own callback may have summaries switched off between its own.
        with self._writer.as_default(step=step), tf.summary.record_if(True):
            for tag, image in images.items():
                tf.summary.image(tag, np.asarray(image.convert("RGB"))[None])
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
