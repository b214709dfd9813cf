"""The exported model: one signature for each of its users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from trainer.features import IMAGE_KEY, transformed_name
from trainer.preprocessing import load_stored
from trainer.settings import ImageSpec

EVAL_SIGNATURE = "evaluate"
"""Serialized `tf.train.Example`s to probabilities; TensorFlow Model Analysis calls it."""


class Servable(tf.Module):
    """A network with everything that stands between an encoded picture and a breed's name.

    Args:
        network: `(batch, *image.shape)` uint8 to `(batch, num_classes)` logits.
        transform: the Transform graph that the network was trained behind.
        breeds: names in label order.
        image: what the network takes.
        top_k: answers of `serving_default`; at most the number of breeds.
        average_mirrored: answer with the mean over a picture and its mirror image.
    """

    def __init__(
        self,
        network: keras.Model,
        transform: tft.TFTransformOutput,
        breeds: Sequence[str],
        image: ImageSpec,
        top_k: int,
        *,
        average_mirrored: bool = False,
    ) -> None:
        super().__init__(name="servable")
        self.network = network
        # Not TFT's Keras layer around the same graph: saving that one traces it in a legacy format
        # that nobody reads, which takes longer than all the rest of the export.
        self._transform = SavedModelLoader(transform.transform_savedmodel_dir)
        self.transform_resources = self._transform._imported  # saved along, if it has tables
        self._raw_spec = {IMAGE_KEY: transform.raw_feature_spec()[IMAGE_KEY]}
        self._breeds = tuple(breeds)
        self._image = image
        self._top_k = min(top_k, len(breeds))
        self._average_mirrored = average_mirrored

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")], autograph=False
    )
    def serving_default(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Names the breeds in pictures.

        Args:
            pictures: `(batch,)` string; JPEG, PNG, BMP or GIF.

        Returns:
            `breeds` `(batch, k)` string and `probabilities` `(batch, k)` float32 in [0, 1], the
            most probable first.
        """
        raw = tf.reshape(pictures, (-1, 1))
        if isinstance(self._raw_spec[IMAGE_KEY], tf.io.VarLenFeature):
            raw = tf.sparse.from_dense(raw)
        top = tf.math.top_k(self._probabilities({IMAGE_KEY: raw}), k=self._top_k)
        return {
            "breeds": tf.gather(tf.constant(self._breeds), top.indices),
            "probabilities": top.values,
        }

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="examples")], autograph=False
    )
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the probability of every breed.

        Args:
            examples: `(batch,)` string; serialized raw `tf.train.Example`s.

        Returns:
            `probabilities` `(batch, num_classes)` float32 in [0, 1], in label order.
        """
        return {"probabilities": self._probabilities(tf.io.parse_example(examples, self._raw_spec))}

    def _probabilities(self, raw: dict[str, tf.Tensor | tf.SparseTensor]) -> tf.Tensor:
        transformed = self._transform.apply_transform_model(raw)
        stored = transformed[transformed_name(IMAGE_KEY)]
        pictures = tf.map_fn(
            lambda picture: load_stored(picture, self._image), stored, fn_output_signature=tf.uint8
        )
        probabilities = tf.nn.softmax(self.network(pictures, training=False))
        if self._average_mirrored:
            mirrored = tf.nn.softmax(self.network(pictures[:, :, ::-1], training=False))
            probabilities = (probabilities + mirrored) / 2
        return probabilities


def save_servable(servable: Servable, directory: Path) -> None:
    """Writes a SavedModel that TensorFlow Serving and TensorFlow Model Analysis can load."""
    tf.saved_model.save(
        servable,
        str(directory),
        signatures={
            "serving_default": servable.serving_default,
            EVAL_SIGNATURE: servable.evaluate,
        },
    )
