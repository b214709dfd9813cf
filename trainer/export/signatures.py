"""The exported model's signatures, and how they are saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from trainer.export.calibration import Calibration, probabilities_of, see
from trainer.export.last_features import with_features
from trainer.export.signature_names import (
    CLASSIFY_SIGNATURE,
    DEFAULT_SIGNATURE,
    EVAL_SIGNATURE,
    IS_KNOWN,
    SALIENCY_SIGNATURE,
)
from trainer.preprocessing.features import IMAGE_KEY, transformed_name
from trainer.preprocessing.image import ImageSpec
from trainer.preprocessing.transform import load_stored


class Servable(tf.Module):
    """A network with preprocessing and class names, as the SavedModel's signatures.

    Args:
        network: `(batch, *image.shape)` uint8 to `(batch, num_classes)` logits.
        transform: the Transform graph that the network was trained with.
        breeds: names in label order.
        image: the network's input.
        top_k: the k of `serving_default` and `classify`; at most the number of breeds.
        average_mirrored: average the probabilities of an image and its mirror image.
        calibration: how sure it may be; without it, probabilities are the network's own, and
            nothing says which images it knows.
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
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__(name="servable")
        # Only the plain variables: of its wrappers around them, Keras 3 would save copies, and a
        # session restores just those, so TensorFlow Serving would miss the weights at the first
        # call. Saving the whole model would also add the optimizer's state.
        self.weights = [variable.value for variable in network.variables]
        model, head = with_features(network)
        self._run: Callable[[tf.Tensor], dict[str, tf.Tensor]] = lambda pictures: model(
            pictures, training=False
        )
        self.saliency = None  # a decorated method would be traced for every network
        if head is not None:
            self._finish: Callable[[tf.Tensor], tf.Tensor] = lambda maps: head(maps, training=False)
            self.saliency = tf.function(
                self._look_for,
                input_signature=[
                    tf.TensorSpec((None,), tf.string, name="pictures"),
                    tf.TensorSpec((None,), tf.int64, name="labels"),
                ],
                autograph=False,
            )
        # Not TFT's Keras layer: saving it also traces the graph in an unused legacy format, which
        # takes longer than the rest of the export.
        self._transform = SavedModelLoader(transform.transform_savedmodel_dir)
        self.transform_resources = self._transform._imported  # saved along, if it has tables
        self._raw_spec = transform.raw_feature_spec()
        self._breeds = tuple(breeds)
        self._image = image
        self._top_k = min(top_k, len(breeds))
        self._average_mirrored = average_mirrored
        self._calibration = calibration

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")], autograph=False
    )
    def serving_default(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the top-k breeds of images.

        Args:
            pictures: `(batch,)` string; JPEG, PNG, BMP or GIF.

        Returns:
            `breeds` `(batch, k)` string and `probabilities` `(batch, k)` float32 in [0, 1], the
            most probable first; and `is_known` `(batch,)` bool, if the model is calibrated.
        """
        answer = self._answer(pictures)
        breeds, probabilities = self._most_probable(answer)
        return {"breeds": breeds, "probabilities": probabilities, **_known(answer)}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="inputs")], autograph=False
    )
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the top-k breeds of examples, under the names that the Classify call expects.

        Args:
            inputs: `(batch,)` string; serialized `tf.train.Example`s with an encoded image.

        Returns:
            `classes` `(batch, k)` string and `scores` `(batch, k)` float32 in [0, 1], the most
            probable first.
        """
        classes, scores = self._most_probable(self._answer(self._pictures_in(inputs)))
        return {"classes": classes, "scores": scores}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="examples")], autograph=False
    )
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `probabilities` `(batch, num_classes)` float32 in [0, 1], in label order.

        And `is_known`, as `serving_default` does.

        Args:
            examples: `(batch,)` string; serialized `tf.train.Example`s with an encoded image.
        """
        answer = self._answer(self._pictures_in(examples))
        return {"probabilities": answer["probabilities"], **_known(answer)}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")], autograph=False
    )
    def features(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the last layer's inputs, `features` `(batch, d)` float32, to compare images by.

        Args:
            pictures: `(batch,)` string; JPEG, PNG, BMP or GIF.
        """
        return {"features": self._answer(pictures)["features"]}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="examples")], autograph=False
    )
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns all transformed features, `(batch,)` each, under the name that TFX expects.

        Args:
            examples: `(batch,)` string; serialized raw `tf.train.Example`s, with their labels.
        """
        return self._transformed(tf.io.parse_example(examples, self._raw_spec))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def _answer(self, pictures: tf.Tensor) -> dict[str, Any]:
        """Maps encoded images `(batch,)` to `features`, `probabilities` and a list of `maps`.

        And to `is_known`, if the model is calibrated.

        A function of its own, so that it is traced once for all signatures.
        """
        # Model servers do not look at a tensor's shape: one of two dimensions would be answered.
        raw = tf.reshape(tf.ensure_shape(pictures, (None,)), (-1, 1))
        if isinstance(self._raw_spec[IMAGE_KEY], tf.io.VarLenFeature):
            raw = tf.sparse.from_dense(raw)
        stored = self._transformed({IMAGE_KEY: raw})[transformed_name(IMAGE_KEY)]
        loaded = tf.map_fn(
            lambda picture: load_stored(picture, self._image), stored, fn_output_signature=tf.uint8
        )
        seen = see(self._run, loaded, mirrored=self._average_mirrored)
        answer = {"features": seen.views[-1], "maps": list(seen.last_maps)}
        if self._calibration is None:
            return answer | {"probabilities": probabilities_of(seen, temperature=1.0)}
        return answer | {
            "probabilities": probabilities_of(seen, self._calibration.temperature),
            IS_KNOWN: self._calibration.is_known(seen),
        }

    def _look_for(self, pictures: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes Grad-CAM heat maps of a class: the signature `saliency`.

        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
        Localization" (https://arxiv.org/abs/1610.02391), on the last feature map. Where the model
        averages over an image and its mirror image, so do the maps.

        Args:
            pictures: `(batch,)` string; JPEG, PNG, BMP or GIF.
            labels: `(batch,)` int64; the class to explain in each.

        Returns:
            `maps` `(batch, rows, columns)` float32 in [0, 1] over the network's input, with maximum
            1, or all 0 if nothing supports the class; and `probabilities` `(batch, num_classes)`
            float32 in [0, 1], in label order.
        """
        answer = self._answer(pictures)
        heat, *of_mirror_image = (self._grad_cam(each, labels) for each in answer["maps"])
        for each in of_mirror_image:
            heat += each[:, :, ::-1]
        highest = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
        maps = tf.math.divide_no_nan(heat, highest)
        return {"maps": maps, "probabilities": answer["probabilities"]}

    def _grad_cam(self, feature_map: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Sums channels, weighted by their mean gradients, to `(batch, rows, columns)`."""
        with tf.GradientTape() as tape:
            tape.watch(feature_map)
            logits = tf.gather(self._finish(feature_map), labels, batch_dims=1)
        gradients = tf.cast(tape.gradient(logits, feature_map), tf.float32)
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * tf.cast(feature_map, tf.float32), axis=3))

    def _most_probable(self, answer: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        top = tf.math.top_k(answer["probabilities"], k=self._top_k)
        return tf.gather(tf.constant(self._breeds), top.indices), top.values

    def _pictures_in(self, examples: tf.Tensor) -> tf.Tensor:
        """Extracts the encoded images, `(batch,)`, from serialized examples."""
        spec = {IMAGE_KEY: self._raw_spec[IMAGE_KEY]}
        pictures = tf.io.parse_example(examples, spec)[IMAGE_KEY]
        if isinstance(pictures, tf.SparseTensor):
            return pictures.values
        return tf.reshape(pictures, (-1,))

    def _transformed(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        transformed: dict[str, tf.Tensor] = self._transform.apply_transform_model(raw)
        return transformed


def _known(answer: dict[str, Any]) -> dict[str, tf.Tensor]:
    return {IS_KNOWN: answer[IS_KNOWN]} if IS_KNOWN in answer else {}


def save_servable(servable: Servable, directory: Path) -> None:
    """Writes a SavedModel that TensorFlow Serving and TensorFlow Model Analysis can load."""
    signatures = {
        DEFAULT_SIGNATURE: servable.serving_default,
        CLASSIFY_SIGNATURE: servable.classify,
        EVAL_SIGNATURE: servable.evaluate,
        SALIENCY_SIGNATURE: servable.saliency,
        "features": servable.features,
        "transform_features": servable.transform_features,
    }
    present = {name: each for name, each in signatures.items() if each is not None}
    tf.saved_model.save(servable, str(directory), signatures=present)
    # TensorFlow 2 marks every signature as Predict. TensorFlow Serving then refuses Classify if it
    # is old or told to check.
    v1 = tf.compat.v1.saved_model
    updater = v1.signature_def_utils.MethodNameUpdater(str(directory))
    updater.replace_method_name(CLASSIFY_SIGNATURE, v1.CLASSIFY_METHOD_NAME)
    updater.save()
