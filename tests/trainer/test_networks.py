from __future__ import annotations

import keras
import numpy as np
import pytest

from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.registry import build_network
from trainer.networks.residual import ResidualConfig


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}


def test_dog_cnn_shapes_and_parameters_are_those_of_its_source() -> None:
    model = build_network(DogCnnConfig(), num_classes=120)

    shapes = _shapes(model)
    assert shapes["pictures"] == (250, 151, 1)
    assert shapes["conv1"] == (125, 76, 32)
    assert shapes["pool1"] == (63, 38, 32)
    assert shapes["conv2"] == (63, 38, 64)
    assert shapes["pool2"] == (32, 19, 64)
    assert shapes["flatten"] == (38_912,)
    assert shapes["dense"] == (512,)
    assert shapes["logits"] == (120,)
    by_hand = (5 * 5 * 1 * 32 + 32) + (5 * 5 * 32 * 64 + 64)
    by_hand += (38_912 * 512 + 512) + (512 * 120 + 120)
    assert model.count_params() == by_hand


def test_dog_cnn_sees_floats_from_0_to_below_1() -> None:
    model = build_network(DogCnnConfig(), num_classes=3)
    seen = keras.Model(model.input, model.get_layer("normalise").output)

    pictures = np.zeros((1, 250, 151, 1), np.uint8)
    pictures[0, 0, 0, 0] = 255
    values = np.asarray(seen(pictures))

    assert values.min() == 0
    assert values.max() == pytest.approx(255 / 256)


@pytest.mark.parametrize(
    ("config", "features"),
    [
        (ResidualConfig(), 128),
        (ResidualConfig(input_px=96, width=24, blocks=(2, 1, 2)), 96),
        (ResidualConfig(stem_stride=1, blocks=(1, 1)), 32),
    ],
)
def test_residual_doubles_filters_in_each_stage(config: ResidualConfig, features: int) -> None:
    shapes = _shapes(build_network(config, num_classes=7))

    assert shapes["pictures"] == (config.input_px, config.input_px, 3)
    assert shapes["features"] == (features,)
    assert shapes["logits"] == (7,)
    last = shapes[f"stage{len(config.blocks)}_block{config.blocks[-1]}_add"]
    assert last[0] == config.input_px // config.stem_stride // 2 ** (len(config.blocks) - 1)
