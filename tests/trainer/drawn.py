"""Small networks whose filters and feature maps are drawn, and what a drawing shows."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from trainer.pictures.evolution import DrawEvolution

SHAPE = (13, 11, 3)
NUM_CLASSES = 4
STEPS_PER_EPOCH, BATCH = 5, 3


def labels_of(number: int) -> npt.NDArray[np.float32]:
    return np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(number) % NUM_CLASSES]


def small_network(learning_rate: float = 0.1) -> keras.Model:
    """Two convolutions, with normalisation and dropout that a drawing could disturb."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input(SHAPE, dtype="uint8", name="pictures")
    x = keras.layers.Rescaling(1 / 255, name="normalise")(inputs)
    x = keras.layers.Conv2D(5, (3, 2), name="conv1")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Conv2D(6, 3, name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    outputs = keras.layers.Dense(NUM_CLASSES, name="logits")(x)
    network = keras.Model(inputs, outputs)
    compile_network(network, learning_rate)
    return network


def compile_network(network: keras.Model, learning_rate: float = 0.1) -> None:
    network.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )


def nested_network() -> keras.Model:
    """A backbone with its own graph behind a sequential model, as transfer learning has it."""
    inner = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(inner)
    x = keras.layers.ReLU(name="relu")(x)
    backbone = keras.Model(inner, keras.layers.Conv2D(7, 3, name="top")(x), name="backbone")
    inputs = keras.Input(SHAPE, dtype="uint8", name="pictures")
    prepare = keras.Sequential(
        [keras.layers.Rescaling(2, name="double"), keras.layers.ReLU(name="keep")], name="prepare"
    )
    x = backbone(prepare(inputs), training=False)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(inputs, keras.layers.Dense(NUM_CLASSES, name="logits")(x))


def softmax_network() -> keras.Model:
    inputs = keras.Input(SHAPE, dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(NUM_CLASSES, name="logits")(x))


def fit(
    network: keras.Model, pictures: npt.NDArray[np.uint8], callback: DrawEvolution, epochs: int
) -> None:
    fit_with(network, pictures, [callback], epochs)


def fit_with(
    network: keras.Model,
    pictures: npt.NDArray[np.uint8],
    callbacks: list[keras.callbacks.Callback],
    epochs: int,
) -> None:
    network.fit(
        pictures, labels_of(len(pictures)), batch_size=BATCH, epochs=epochs, shuffle=False,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip


def logged_images(log_dir: Path) -> dict[tuple[str, int], npt.NDArray[np.uint8]]:
    """Reads every image that TensorBoard would find, by tag and step."""
    found = {}
    files = [str(path) for path in log_dir.rglob("*.tfevents.*")]
    for record in tf.data.TFRecordDataset(files):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "images":
                encoded = value.tensor.string_val[2]  # behind width and height
                found[value.tag, event.step] = tf.io.decode_png(encoded).numpy()
    return found


def covered_box(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Returns what a colour covers: left, top, right, bottom; right and bottom are beyond it."""
    y, x = np.nonzero((np.asarray(picture) == colour).all(axis=-1))
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
