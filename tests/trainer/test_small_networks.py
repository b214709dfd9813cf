"""What every network must do: learn, survive export, and keep float32 where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from trainer.networks.batch_norm import FusedBatchNormalization
from trainer.networks.custom import CustomConfig
from trainer.networks.layers import LayersConfig
from trainer.networks.published.alexnet import AlexnetConfig
from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.published.lenet5 import Lenet5Config, Lenet5ReluConfig
from trainer.networks.published.pet_cnn import PetCnnConfig
from trainer.networks.published.softmax import SoftmaxConfig
from trainer.networks.published.vgg16 import Vgg16Config
from trainer.networks.registry import NETWORKS, AnyNetworkConfig, build_network
from trainer.networks.residual import ResidualConfig
from trainer.networks.statistics import PictureStatistics, picture_statistics
from trainer.networks.transfer.network import TransferConfig
from trainer.preprocessing.image import ImageSpec

pytestmark = pytest.mark.slow

_NUM_CLASSES = 5
# Small, lopsided where the network lets it be, and without dropout, which would blur the gradient.
_SMALL: tuple[AnyNetworkConfig, ...] = (
    SoftmaxConfig(input_px=(9, 11), channels=3),
    Lenet5Config(input_px=(17, 21)),
    Lenet5ReluConfig(input_px=(17, 21), channels=3, filters=(8, 12)),
    DogCnnConfig(dropout=0),
    PetCnnConfig(input_px=(17, 13), pool_dropout=0, dropout=0),
    AlexnetConfig(input_px=(64, 70), dense_units=24, dropout=0),
    Vgg16Config(input_px=(32, 40), dense_units=24, dropout=0),
    LayersConfig.model_validate(
        {
            "input_px": (15, 12),
            "normalise": "per_channel",
            "layers": [["C", [3, 2, 3, 6], [1, 1, 2, 1]], {"pool": {"window": 2}}, ["F", 5]],
        }
    ),
    ResidualConfig(input_px=32, width=8, blocks=(1, 1), dropout=0),
    TransferConfig(backbone="MobileNet", weights="none", input_px=32, dropout=0),
    CustomConfig(
        build="tests.trainer.own_network:build",
        settings={"width": 5, "factor": 0.5},
        input_px=(15, 12),
        normalise="per_channel",
    ),
)


@pytest.fixture(scope="module", params=_SMALL, ids=lambda config: config.name)
def config(request: pytest.FixtureRequest) -> AnyNetworkConfig:
    chosen: AnyNetworkConfig = request.param
    return chosen


@pytest.fixture(scope="module")
def network(config: AnyNetworkConfig) -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_network(config, _NUM_CLASSES, picture_statistics([_pictures(config.image)]))


def _pictures(image: ImageSpec) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (6, *image.shape), dtype=np.uint8)


def test_every_network_is_among_the_small_ones() -> None:
    assert [config.name for config in _SMALL] == list(NETWORKS)


def test_exported_and_reloaded_network_gives_the_same_logits(
    config: AnyNetworkConfig, network: keras.Model, tmp_path: Path
) -> None:
    pictures = _pictures(config.image)
    network.export(tmp_path / "exported", verbose=False)

    reloaded = tf.saved_model.load(tmp_path / "exported")
    logits = reloaded.serve(pictures)

    assert logits.shape == (6, _NUM_CLASSES)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, network(pictures), rtol=1e-4, atol=1e-5)


def test_one_gradient_step_lowers_the_loss(config: AnyNetworkConfig, network: keras.Model) -> None:
    pictures = tf.constant(_pictures(config.image))
    labels = tf.constant([0, 1, 2, 3, 4, 0])
    # Adam's first step moves every weight by its rate, whatever the gradient's length.
    optimizer = keras.optimizers.Adam(1e-5)

    def loss() -> tf.Tensor:
        per_picture = keras.losses.sparse_categorical_crossentropy(
            labels, network(pictures, training=True), from_logits=True
        )
        return tf.reduce_mean(per_picture)

    with tf.GradientTape() as tape:
        before = loss()
    variables = [weight.value for weight in network.trainable_weights]
    gradients = tape.gradient(before, variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_weights, strict=True))

    assert all(gradient is not None for gradient in gradients)
    assert float(loss()) < float(before)


@pytest.fixture
def bfloat16() -> Iterator[None]:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    "config",
    [each for each in _SMALL if each.name not in ("dog_cnn", "vgg16")],
    ids=lambda config: config.name,
)
@pytest.mark.usefixtures("bfloat16")
def test_pixels_are_normalised_and_logits_given_in_float32_under_mixed_precision(
    config: AnyNetworkConfig,
) -> None:
    model = build_network(config, _NUM_CLASSES, PictureStatistics.neutral(config.image))

    assert model.get_layer("normalise").output.dtype == "float32"
    assert model.output.dtype == "float32"
    hidden = [layer.compute_dtype for layer in model.layers if layer.name.lower() == "conv1"]
    assert set(hidden) <= {"bfloat16"}


def test_fused_batch_normalisation_computes_what_keras_does() -> None:
    pictures = np.random.default_rng(0).normal(2, 3, (6, 5, 3, 4)).astype(np.float32)
    ours, theirs = FusedBatchNormalization(momentum=0.9), layers.BatchNormalization(momentum=0.9)
    after = []
    for layer in (ours, theirs):
        layer.build(pictures.shape)
        layer.set_weights([np.arange(4) + each for each in (1.0, -2.0, 0.5, 3.0)])
        with tf.GradientTape() as tape:
            inputs = tf.Variable(pictures)
            loss = tf.reduce_sum(layer(inputs, training=True) ** 3)
        gradients = tape.gradient(loss, [inputs, *layer.trainable_variables])
        after.append([loss, *gradients, *layer.weights, layer(pictures, training=False)])

    for mine, expected in zip(*after, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-3, atol=2e-3)
