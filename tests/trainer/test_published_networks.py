"""Every published network's shapes and parameters, against the figures of its source."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainer.networks.custom import CustomConfig
from trainer.networks.layers import LayersConfig
from trainer.networks.local_response import LocalResponseNormalisation
from trainer.networks.published.alexnet import AlexnetConfig
from trainer.networks.published.lenet5 import Lenet5Config, Lenet5ReluConfig
from trainer.networks.published.pet_cnn import PetCnnConfig
from trainer.networks.published.softmax import SoftmaxConfig
from trainer.networks.published.vgg16 import Vgg16Config
from trainer.networks.registry import (
    NETWORKS,
    AnyNetworkConfig,
    build_network,
    needs_statistics,
    outline_network,
)
from trainer.networks.statistics import PictureStatistics
from trainer.preprocessing.image import ImageSpec

pytestmark = pytest.mark.slow


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}


def test_softmax_is_one_layer() -> None:
    model = outline_network(SoftmaxConfig(), 10)

    assert _shapes(model)["flatten"] == (784,)
    assert model.count_params() == 784 * 10 + 10


@pytest.mark.parametrize(
    ("config", "filters", "parameters"),
    [
        # (25 + 1) * 6, (25 * 6 + 1) * 16, (400 + 1) * 120, (120 + 1) * 84, (84 + 1) * 10
        (Lenet5Config(), (6, 16), 156 + 2_416 + 48_120 + 10_164 + 850),
        (Lenet5ReluConfig(), (32, 64), 832 + 51_264 + 192_120 + 10_164 + 850),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_lenet5_shapes_and_parameters(
    config: Lenet5Config | Lenet5ReluConfig, filters: tuple[int, int], parameters: int
) -> None:
    model = outline_network(config, 10)

    shapes = _shapes(model)
    assert shapes["conv1"] == (28, 28, filters[0])
    assert shapes["pool1"] == (14, 14, filters[0])
    assert shapes["conv2"] == (10, 10, filters[1])
    assert shapes["pool2"] == (5, 5, filters[1])
    assert shapes["dense1"] == (120,)
    assert shapes["dense2"] == (84,)
    assert shapes["logits"] == (10,)
    assert model.count_params() == parameters


@pytest.mark.parametrize(
    ("config", "activation", "pool"),
    [
        (Lenet5Config(), "sigmoid", "AveragePooling2D"),
        (Lenet5ReluConfig(), "relu", "MaxPooling2D"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_lenet5_variants_differ_in_activation_and_pool(
    config: Lenet5Config | Lenet5ReluConfig, activation: str, pool: str
) -> None:
    model = outline_network(config, 10)

    activated = [model.get_layer(name) for name in ("conv1", "conv2", "dense1", "dense2")]
    assert {layer.activation.__name__ for layer in activated} == {activation}
    assert {type(model.get_layer(name)).__name__ for name in ("pool1", "pool2")} == {pool}


def test_pet_cnn_shapes_and_parameters() -> None:
    model = outline_network(PetCnnConfig(), 37)

    shapes = _shapes(model)
    assert shapes["conv1_1"] == shapes["conv1_2"] == (224, 224, 32)
    assert shapes["pool1"] == (112, 112, 32)
    assert shapes["conv2_1"] == shapes["conv2_2"] == (112, 112, 64)
    assert shapes["pool2"] == (56, 56, 64)
    assert shapes["flatten"] == (56 * 56 * 64,)
    assert shapes["dense"] == (512,)
    by_hand = (27 * 32 + 32) + (288 * 32 + 32) + (288 * 64 + 64) + (576 * 64 + 64)
    by_hand += (56 * 56 * 64 * 512 + 512) + (512 * 37 + 37)
    assert model.count_params() == by_hand


def test_pet_cnn_drops_behind_each_pool_and_the_dense_layer() -> None:
    layers = outline_network(PetCnnConfig(), 37).layers

    names = [layer.name for layer in layers]
    rates = {
        names[place - 1]: layer.rate
        for place, layer in enumerate(layers)
        if isinstance(layer, keras.layers.Dropout)
    }
    assert rates == {"pool1": 0.8, "pool2": 0.8, "dense": 0.5}


def test_pet_cnn_starts_from_truncated_normal_weights_and_dense_biases_of_1() -> None:
    keras.utils.set_random_seed(5)
    config = PetCnnConfig(input_px=(24, 20))
    model = build_network(config, 3, PictureStatistics.neutral(config.image))

    for name in ("conv1_2", "conv2_2", "dense"):
        kernel = np.asarray(model.get_layer(name).kernel)
        # Cut at two standard deviations, 0.1 leaves 0.088.
        assert np.abs(kernel).max() <= 0.2
        assert kernel.std() == pytest.approx(0.088, rel=0.03)
    assert np.all(np.asarray(model.get_layer("dense").bias) == 1)
    assert np.all(np.asarray(model.get_layer("conv1_1").bias) == 0)


@pytest.mark.parametrize("input_px", [227, 224])
def test_alexnet_leaves_6x6x256_and_has_62_378_344_parameters(input_px: int) -> None:
    model = outline_network(AlexnetConfig(input_px=input_px), 1000)

    shapes = _shapes(model)
    assert shapes["conv1"] == (55, 55, 96)
    assert shapes["pool1"] == shapes["lrn1"] == (27, 27, 96)
    assert shapes["conv2"] == (27, 27, 256)
    assert shapes["pool2"] == shapes["lrn2"] == (13, 13, 256)
    assert shapes["conv3"] == shapes["conv4"] == (13, 13, 384)
    assert shapes["conv5"] == (13, 13, 256)
    assert shapes["pool5"] == (6, 6, 256)
    assert shapes["dense6"] == shapes["dense7"] == (4096,)
    assert model.count_params() == 62_378_344


def test_alexnet_takes_its_smallest_picture() -> None:
    assert _shapes(outline_network(AlexnetConfig(input_px=64), 3))["pool5"] == (1, 1, 256)


@pytest.mark.parametrize(
    ("kind", "too_small", "least"), [(AlexnetConfig, 63, 64), (Vgg16Config, 31, 32)]
)
def test_picture_that_the_pools_leave_nothing_of_is_refused(
    kind: type[AlexnetConfig | Vgg16Config], too_small: int, least: int
) -> None:
    with pytest.raises(ValueError, match=f"must have at least {least} x {least} pixels"):
        kind(input_px=(100, too_small))


def test_vgg16_shapes_and_138_357_544_parameters() -> None:
    model = outline_network(Vgg16Config(), 1000)

    shapes = _shapes(model)
    pools = [shapes[f"pool{block}"] for block in range(1, 6)]
    assert pools == [(112, 112, 64), (56, 56, 128), (28, 28, 256), (14, 14, 512), (7, 7, 512)]
    assert sum(name.startswith("conv") for name in shapes) == 13
    assert shapes["dense1"] == shapes["dense2"] == (4096,)
    assert model.count_params() == 138_357_544


def test_layers_example_has_the_shapes_of_its_source() -> None:
    model = outline_network(LayersConfig(), 2)

    shapes = _shapes(model)
    assert shapes["conv1"] == (32, 32, 64)
    assert shapes["pool1"] == shapes["lrn1"] == (16, 16, 64)
    assert shapes["conv2"] == (16, 16, 64)
    assert shapes["pool2"] == shapes["lrn2"] == (8, 8, 64)
    assert shapes["dense1"] == (64,)
    assert shapes["dense2"] == (16,)
    assert shapes["logits"] == (2,)
    by_hand = (75 * 64 + 64) + (1600 * 64 + 64) + (8 * 8 * 64 * 64 + 64) + (64 * 16 + 16) + 34
    assert model.count_params() == by_hand


def test_outline_counts_what_the_real_network_has() -> None:
    config = LayersConfig()

    outline, real = outline_network(config, 2), build_network(config, 2)

    assert _shapes(outline) == _shapes(real)
    assert outline.count_params() == sum(np.asarray(weight).size for weight in real.weights)


_DEFAULTS = [
    kind(build="tests.trainer.own_network:build") if kind is CustomConfig else kind()
    for kind in NETWORKS.values()
]


@pytest.mark.parametrize("config", _DEFAULTS, ids=lambda config: config.name)
def test_every_network_goes_from_pictures_to_logits(config: AnyNetworkConfig) -> None:
    model = outline_network(config, config.source_classes)

    assert (model.input.name, model.input.dtype) == ("pictures", "uint8")
    assert model.input.shape == (None, *config.image.shape)
    assert model.output.dtype == "float32"
    assert model.output.shape == (None, config.source_classes)


def test_settings_survive_the_way_to_trainer_as_json() -> None:
    for config in _DEFAULTS:
        assert type(config).model_validate_json(config.model_dump_json()) == config


def test_network_whose_statistics_are_missing_says_so() -> None:
    assert needs_statistics(AlexnetConfig())
    with pytest.raises(ValueError, match="normalise=mean_image needs the statistics"):
        build_network(AlexnetConfig(input_px=64, dense_units=4), 3)


def test_network_refuses_statistics_of_another_size() -> None:
    statistics = PictureStatistics.neutral(ImageSpec(height_px=64, width_px=72))

    with pytest.raises(ValueError, match=r"\(64, 72, 3\), the network takes \(64, 64, 3\)"):
        build_network(AlexnetConfig(input_px=64, dense_units=4), 3, statistics)


def test_local_response_normalisation_is_the_papers_formula() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 20, (2, 3, 4, 7)).astype(np.float32)
    layer = LocalResponseNormalisation(2, bias=1.5, alpha=1e-2, beta=0.75)

    seen = np.asarray(layer(values))

    for channel in range(7):
        near = values[..., max(channel - 2, 0) : channel + 3]
        divisor = (1.5 + 1e-2 * (near**2).sum(axis=-1)) ** 0.75
        np.testing.assert_allclose(seen[..., channel], values[..., channel] / divisor, rtol=1e-5)
