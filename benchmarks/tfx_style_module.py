"""User code of `tiny_run.py`'s other side, in the form of TFX's own image examples.

A module file with `preprocessing_fn` and `run_fn`: pictures become lists of floats, files are read
through TFX's data accessor, and the signature decodes by itself. Only the network is the same.
"""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

from trainer.networks.registry import build_network
from trainer.networks.residual import ResidualConfig

_SIZE_PX = 64
_BATCH_SIZE = 32
_IMAGE, _LABEL = "image/encoded", "image/class/label"


def preprocessing_fn(inputs):
    """Decodes, resizes and scales to floats."""

    def decode(encoded):
        picture = tf.io.decode_jpeg(encoded, channels=3)
        return tf.image.resize(tf.cast(picture, tf.float32), (_SIZE_PX, _SIZE_PX))

    pictures = tf.map_fn(decode, tf.reshape(inputs[_IMAGE], [-1]), fn_output_signature=tf.float32)
    return {"image_xf": pictures, "label_xf": inputs[_LABEL]}


def _batches(file_pattern, data_accessor, transform):
    return data_accessor.tf_dataset_factory(
        file_pattern,
        tfxio.TensorFlowDatasetOptions(batch_size=_BATCH_SIZE, label_key="label_xf"),
        transform.transformed_metadata.schema,
    )


def run_fn(fn_args: tfx.components.FnArgs):
    """Trains for the configured number of steps and saves two signatures."""
    transform = tft.TFTransformOutput(fn_args.transform_output)
    inner = build_network(ResidualConfig(stem_stride=2), fn_args.custom_config["num_classes"])
    pictures = keras.Input((_SIZE_PX, _SIZE_PX, 3), name="image_xf")
    model = keras.Model({"image_xf": pictures}, inner(pictures))
    model.compile(
        optimizer=keras.optimizers.AdamW(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    model.fit(
        _batches(fn_args.train_files, fn_args.data_accessor, transform).repeat(),
        steps_per_epoch=fn_args.train_steps // fn_args.custom_config["epochs"],
        epochs=fn_args.custom_config["epochs"],
        validation_data=_batches(fn_args.eval_files, fn_args.data_accessor, transform),
        validation_steps=fn_args.eval_steps,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir)],
        verbose=2,
    )

    layer = transform.transform_features_layer()
    model.tft_layer = layer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_tf_examples_fn(examples):
        spec = transform.raw_feature_spec()
        raw = tf.io.parse_example(examples, {_IMAGE: spec[_IMAGE]})
        return {"outputs": tf.nn.softmax(model({"image_xf": layer(raw)["image_xf"]}))}

    tf.saved_model.save(
        model, fn_args.serving_model_dir, signatures={"serving_default": serve_tf_examples_fn}
    )
