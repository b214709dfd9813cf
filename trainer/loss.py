"""Cross-entropy over integer labels, with or without smoothing."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf


def build_loss(
    label_smoothing: float, num_classes: int
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Builds the loss.

    Args:
        label_smoothing: probability mass that is spread evenly over all classes, as in Szegedy et
            al., "Rethinking the Inception Architecture" (https://arxiv.org/abs/1512.00567).
        num_classes: number of breeds.

    Returns:
        A Keras loss of `(batch,)` integer labels and `(batch, num_classes)` logits, in nats.
    """
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smoothed = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing
    )

    def smoothed_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        # Keras hands labels over as floats, in a column.
        targets = tf.one_hot(tf.cast(tf.reshape(labels, (-1,)), tf.int32), num_classes)
        return smoothed(targets, logits)

    return smoothed_loss
