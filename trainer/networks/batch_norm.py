"""Batch normalisation in one kernel, where Keras takes nine operations for it."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dogbreed")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` whose training step is TensorFlow's fused kernel.

    It has the same weights and computes the same numbers; `benchmarks/batch_norm.py` measures how
    much sooner. The kernel takes bfloat16 and float16 as they are and keeps its sums in float32,
    where Keras turns the whole batch to float32 and back. Outside training this is Keras' own call,
    so that an exported model holds nothing new.

    It takes `(batch, height, width, channels)`, and needs `scale` and `center`.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises a batch by its own mean and variance in training, else by the running ones."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance *= (count - 1) / count  # the kernel estimates, Keras takes the batch as it is
        kept = self.momentum
        self.moving_mean.assign(self.moving_mean * kept + mean * (1 - kept))
        self.moving_variance.assign(self.moving_variance * kept + variance * (1 - kept))
        return outputs
