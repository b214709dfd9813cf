"""The layer table, against figures worked out by hand."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from trainer.networks.layer_table import LayerRow, WindowSize, layer_rows
from trainer.networks.published.alexnet import AlexnetConfig
from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.published.vgg16 import Vgg16Config
from trainer.networks.registry import outline_network


@pytest.mark.parametrize(
    ("window", "output", "formula"),
    [
        (WindowSize(227, 11, 4, "valid"), 55, "1 + (227 - 11 + 0) / 4 = 55"),
        (WindowSize(224, 11, 4, "valid"), 54, "1 + floor((224 - 11 + 0) / 4) = 54"),
        (WindowSize(27, 5, 1, "same"), 27, "1 + (27 - 5 + 2*2) / 1 = 27"),
        (WindowSize(250, 5, 2, "same"), 125, "1 + (250 - 5 + 1 + 2) / 2 = 125"),
        (WindowSize(151, 5, 2, "same"), 76, "1 + (151 - 5 + 2*2) / 2 = 76"),
        (WindowSize(125, 2, 2, "same"), 63, "1 + (125 - 2 + 0 + 1) / 2 = 63"),
        (WindowSize(64, 1, 2, "same"), 32, "1 + floor((64 - 1 + 0) / 2) = 32"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_window_size_and_its_formula(window: WindowSize, output: int, formula: str) -> None:
    assert window.output == output
    assert window.formula == formula


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [7, 12, 31])
def test_window_size_is_what_keras_makes(size: int, kernel: int, stride: int, padding: str) -> None:
    layer = layers.MaxPooling2D(kernel, strides=stride, padding=padding)

    [row] = [
        row
        for row in layer_rows(keras.Sequential([keras.Input((size, size, 1)), layer]))
        if row.kind == "MaxPooling2D"
    ]

    assert row.output == (int(row.formula.split()[-1]),) * 2 + (1,)


def _rows(model: keras.Model) -> dict[str, LayerRow]:
    return {row.name: row for row in layer_rows(model)}


def test_alexnet_rows() -> None:
    rows = _rows(outline_network(AlexnetConfig(input_px=224), 17))

    assert rows["pad"].formula == "224 + 0 + 3 = 227"
    assert rows["pad"].padding == "0+3, 0+3"
    assert rows["conv1"] == LayerRow(
        name="conv1",
        kind="Conv2D",
        output=(55, 55, 96),
        kernel=(11, 11),
        stride=(4, 4),
        padding="valid",
        parameters=11 * 11 * 3 * 96 + 96,
        multiply_adds=55 * 55 * 96 * 11 * 11 * 3,
        formula="1 + (227 - 11 + 0) / 4 = 55",
    )
    assert rows["pool5"].formula == "1 + (13 - 3 + 0) / 2 = 6"
    assert rows["flatten"].formula == "6 * 6 * 256 = 9216"
    assert rows["dense6"].multiply_adds == 9216 * 4096
    assert rows["logits"].parameters == 4096 * 17 + 17


def test_vgg16_totals_are_the_well_known_ones() -> None:
    rows = _rows(outline_network(Vgg16Config(), 1000)).values()

    assert sum(row.parameters for row in rows) == 138_357_544
    # 15.3 thousand million in the convolutions, 124 million in the dense layers.
    assert sum(row.multiply_adds for row in rows if row.kind == "Conv2D") == 15_346_630_656
    assert sum(row.multiply_adds for row in rows if row.kind == "Dense") == 123_633_664


def test_sides_that_differ_have_a_formula_each() -> None:
    row = _rows(outline_network(DogCnnConfig(), 120))["conv1"]

    assert row.formula == "1 + (250 - 5 + 1 + 2) / 2 = 125; 1 + (151 - 5 + 2*2) / 2 = 76"
    assert row.multiply_adds == 125 * 76 * 32 * 5 * 5


def test_rows_of_other_convolutions_and_of_models_inside() -> None:
    inner = keras.Sequential(
        [keras.Input((9, 8, 6)), layers.DepthwiseConv2D(3, name="depthwise")], name="inner"
    )
    model = keras.Sequential(
        [
            keras.Input((9, 8, 6)),
            inner,
            layers.SeparableConv2D(10, 3, padding="same", name="separable"),
            layers.Conv2D(4, 3, groups=2, dilation_rate=2, use_bias=False, name="grouped"),
            layers.Dense(5, name="each_place"),
        ]
    )

    rows = _rows(model)

    assert rows["inner/depthwise"].multiply_adds == 7 * 6 * 6 * 9
    assert rows["separable"].multiply_adds == 7 * 6 * (6 * 9 + 6 * 10)
    assert rows["grouped"].parameters == 3 * 3 * 5 * 4
    assert rows["grouped"].multiply_adds == 3 * 2 * 4 * 3 * 3 * 5
    assert rows["grouped"].formula == "1 + (7 - 5 + 0) / 1 = 3; 1 + (6 - 5 + 0) / 1 = 2"
    assert rows["each_place"].multiply_adds == 3 * 2 * 4 * 5
