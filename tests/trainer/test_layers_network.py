"""The network that is a list: what it accepts, and how it names what is wrong."""

from __future__ import annotations

from typing import Any

import keras
import pytest
import yaml
from pydantic import ValidationError

from trainer.networks.layer_spec import ConvLayer, DenseLayer, PoolLayer
from trainer.networks.layers import LayersConfig
from trainer.networks.registry import outline_network

_CONV = {"conv": {"filters": 4, "kernel": 3}}
_SAME_LAYERS = (
    ConvLayer(filters=64, kernel=(5, 3), stride=(1, 2), channels=3),
    PoolLayer(window=(3, 2), stride=(2, 1)),
    DenseLayer(units=16),
    DenseLayer(units=2),
)


@pytest.mark.parametrize(
    "written",
    [
        """
        - {conv: {filters: 64, kernel: [5, 3], stride: [1, 2], channels: 3}}
        - {pool: {window: [3, 2], stride: [2, 1]}}
        - {dense: 16}
        - {dense: {units: 2}}
        """,
        """
        - ['C', [5, 3, 3, 64], [1, 1, 2, 1]]
        - ['P', [1, 3, 2, 1], [1, 2, 1, 1]]
        - ['F', 16]
        - ['F', 2]
        """,
        """
        - ('C', [5, 3, 3, 64], [1, 1, 2, 1])
        - ('P', [1, 3, 2, 1], [1, 2, 1, 1])
        - ('F', 16)
        - ('F', 2)
        """,
        """
        "[('C', [5, 3, 3, 64], [1, 1, 2, 1]), ('P', [1, 3, 2, 1], [1, 2, 1, 1]),
          ('F', 16), ('F', 2)]"
        """,
    ],
    ids=["mappings", "lists", "tuples", "text"],
)
def test_every_spelling_in_yaml_means_the_same(written: str) -> None:
    config = LayersConfig.model_validate({"layers": yaml.safe_load(written)})

    assert config.layers == _SAME_LAYERS
    assert LayersConfig.model_validate_json(config.model_dump_json()) == config


def test_one_number_stands_for_both_sides_and_a_pools_stride_is_its_window() -> None:
    config = LayersConfig.model_validate({"layers": [_CONV, {"pool": {"window": 2}}, {"dense": 2}]})

    assert config.layers[0] == ConvLayer(filters=4, kernel=(3, 3), stride=(1, 1))
    assert config.layers[1] == PoolLayer(window=(2, 2), stride=(2, 2))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [_CONV, ["C", [5, 5, 3, 8], [1, 1, 1, 1]], ["F", 2]],
            "layer 2: expects 3 channels, but the layer",
        ),
        (
            [["C", [5, 5, 1, 8], [1, 1, 1, 1]], ["F", 2]],
            "layer 1: expects 1 channels, but the picture has 3",
        ),
        ([["F", 8], _CONV, ["F", 2]], "layer 2: a convolution cannot follow a dense layer"),
        (
            [["F", 8], {"pool": {"window": 2}}, ["F", 2]],
            "layer 2: a pool cannot follow a dense layer",
        ),
        (
            [_CONV, ["C", [5, 5, 4, 0], [1, 1, 1, 1]], ["F", 2]],
            "layer 2: conv.filters: Input should be greater .*, got 0",
        ),
        (
            [["C", [5, -5, 3, 8], [1, 1, 1, 1]], ["F", 2]],
            "layer 1: conv.kernel.1: Input should be greater .*, got -5",
        ),
        (
            [["P", [1, 3, 3, 1], [1, 0, 2, 1]], ["F", 2]],
            "layer 1: pool.stride.0: Input should be greater .*, got 0",
        ),
        (
            [["P", [1, 3, 3, 2], [1, 2, 2, 1]], ["F", 2]],
            "layer 1: the window over batch and channels",
        ),
        (
            [["C", [5, 5, 3], [1, 1, 1, 1]], ["F", 2]],
            r"layer 1: a convolution is \['C', \[height, width, in, out\]",
        ),
        ([["P", 3], ["F", 2]], r"layer 1: a pool is \['P', \[1, height, width, 1\]"),
        ([_CONV, ["F", [2]]], r"layer 2: a dense layer is \['F', units\], got \['F', \[2\]\]"),
        ([["F", 2.5]], "layer 1: dense.units: Input should be a valid integer, got 2.5"),
        ([["X", 2]], "layer 1: there is no layer 'X'; there are 'C', 'P' and 'F'"),
        ([{"cov": {"filters": 2}}], "layer 1: there is no layer 'cov'; there are"),
        ([{"conv": 3}], "layer 1: conv wants options such as {filters: 64"),
        ([{"conv": {"filters": 3, "kernal": 2}}], "layer 1: conv lacks kernel; conv has no kernal"),
        ([{"conv": {}, "pool": {}}], "layer 1: wants one of .*, got the keys conv, pool"),
        ([7], r"layer 1: wants a mapping such as \{dense: 64\}"),
        (["('F', 2"], r"layer 1: \"\('F', 2\" cannot be read"),
        ([_CONV], "layer 1: the last layer must be dense"),
        ([], "must be a list of layers"),
        ([["X", 1], ["F", 8], ["F", 0]], "layer 1: .*layer 3: "),
    ],
)
def test_wrong_layer_is_named_by_its_position(layers: list[Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LayersConfig.model_validate({"layers": layers})


def test_picture_that_shrinks_to_nothing_is_named_by_the_layer() -> None:
    layers = [_CONV, {"pool": {"window": 3}}, _CONV, {"dense": 2}]
    # 8 x 14 pixels: 6 x 12 behind the convolution, 2 x 4 behind the pool.
    said = "layer 3: its window of 3 x 3 pixels is larger than what is left of the picture, 2 x 4"

    with pytest.raises(ValidationError, match=said):
        LayersConfig.model_validate({"layers": layers, "padding": "valid", "input_px": (8, 14)})

    assert LayersConfig.model_validate({"layers": layers, "input_px": (8, 14)}).padding == "same"


def test_default_layers_do_not_fit_grey_pictures() -> None:
    with pytest.raises(ValidationError, match="layer 1: expects 3 channels, but the picture has 1"):
        LayersConfig(channels=1)


def test_last_layer_that_is_not_a_unit_for_each_breed_is_named() -> None:
    with pytest.raises(ValueError, match="layer 7: the last layer has 2 units, but there are 5 cl"):
        outline_network(LayersConfig(), 5)


def test_options_reach_the_layers() -> None:
    config = LayersConfig.model_validate(
        {
            "input_px": (20, 26),
            "channels": 1,
            "padding": "valid",
            "activation": "tanh",
            "local_response": False,
            "dropout": 0.25,
            "layers": [_CONV, {"pool": {"window": 3, "stride": 2}}, {"dense": 6}, {"dense": 2}],
        }
    )

    model = outline_network(config, 2)

    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert shapes == {
        "pictures": (20, 26, 1),
        "normalise": (20, 26, 1),
        "conv1": (18, 24, 4),
        "pool1": (8, 11, 4),
        "flatten": (352,),
        "dense1": (6,),
        "dropout1": (6,),
        "logits": (2,),
    }
    assert model.get_layer("conv1").activation is keras.activations.tanh
    assert model.get_layer("dense1").activation is keras.activations.tanh
    assert model.get_layer("logits").activation is keras.activations.linear
    assert model.get_layer("dropout1").rate == 0.25


def test_first_weights_and_normalisation_are_those_of_the_source() -> None:
    model = outline_network(LayersConfig(), 2)

    for name, sd, bias in (("conv1", 0.05, 0.0), ("dense1", 0.04, 0.1), ("logits", 0.04, 0.1)):
        layer = model.get_layer(name)
        assert layer.kernel_initializer.get_config()["stddev"] == sd
        assert layer.bias_initializer.get_config()["value"] == bias
    lrn = model.get_layer("lrn1")
    assert (lrn.radius, lrn.bias, lrn.alpha, lrn.beta) == (4, 1.0, 0.001 / 9, 0.75)
