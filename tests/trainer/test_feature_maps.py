"""Filters and feature maps as pictures."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import pytest

from tests.trainer.drawn import (
    NUM_CLASSES,
    SHAPE,
    covered_box,
    nested_network,
    small_network,
    softmax_network,
)
from trainer.pictures.feature_maps import FeatureMaps, choose_layers, map_tiles
from trainer.pictures.filters import filter_section, filter_tiles
from trainer.pictures.sheet import draw_section


def test_filter_grid_shows_a_known_filter_at_its_place() -> None:
    network = small_network()
    kernel = np.zeros((3, 2, 3, 5), np.float32)
    kernel[2, 1, 0, 3] = 2.0  # filter 3: red at the bottom right is the strongest
    kernel[0, 0, 1, 3] = -1.0
    network.get_layer("conv1").set_weights([kernel, np.zeros(5)])

    section = filter_section(network)

    assert section is not None
    assert section.name == "filters/conv1"
    tile = section.tiles[3]
    assert tile.shape == (3, 2, 3)
    assert tile[2, 1].tolist() == [255, 128, 128]
    assert tile[0, 0].tolist() == [128, 64, 128]
    drawn = draw_section(section)
    columns, width, height = section.grid()
    left, top, right, bottom = covered_box(drawn, (255, 128, 128))
    cell = drawn.width / columns
    assert 3 * cell + width / 2 <= left + 2
    assert right <= 4 * cell
    assert (right - left, bottom - top) == (round(width / 2), round(height / 3))


def test_filters_on_one_scale_keep_their_strength_beside_each_other() -> None:
    kernel = np.zeros((3, 2, 1, 2), np.float32)
    kernel[0, 0, 0] = [1.0, 0.5]

    each, one = filter_tiles(kernel, "each"), filter_tiles(kernel, "all")

    assert [int(tile[0, 0]) for tile in each] == [255, 255]
    assert [int(tile[0, 0]) for tile in one] == [255, 191]
    assert each[0].shape == (3, 2)  # grey


def test_dense_layer_over_the_pixels_gives_one_template_a_class() -> None:
    network = softmax_network()
    kernel = np.zeros((np.prod(SHAPE), NUM_CLASSES), np.float32)
    kernel[np.ravel_multi_index((7, 4, 2), SHAPE), 1] = 3.0
    network.get_layer("logits").set_weights([kernel, np.zeros(NUM_CLASSES)])

    section = filter_section(network)

    assert section is not None
    assert len(section.tiles) == NUM_CLASSES
    assert np.argwhere(section.tiles[1] == 255).tolist() == [[7, 4, 2]]


def test_dense_layer_over_something_else_than_pixels_is_left_out() -> None:
    inputs = keras.Input(SHAPE)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)

    assert filter_section(keras.Model(inputs, keras.layers.Dense(2)(pooled))) is None


@pytest.mark.parametrize("layers", [(), ("stem", "top")])
def test_feature_maps_inside_a_nested_backbone_are_what_its_layers_give(
    layers: tuple[str, ...], pictures: npt.NDArray[np.uint8]
) -> None:
    network = nested_network()
    backbone = network.get_layer("backbone")

    stem, top = FeatureMaps(network, pictures[0], layers).sections()

    seen = pictures[:1].astype(np.float32) * 2
    by_hand = np.asarray(backbone.get_layer("stem")(seen))
    assert (stem.name, top.name) == ("feature_maps/stem", "feature_maps/top")
    np.testing.assert_array_equal(stem.tiles, map_tiles(by_hand[0]))
    by_hand = np.asarray(backbone.get_layer("top")(np.maximum(by_hand, 0)))
    np.testing.assert_array_equal(top.tiles, map_tiles(by_hand[0]))


def test_feature_maps_follow_the_weights(pictures: npt.NDArray[np.uint8]) -> None:
    network = small_network()
    feature_maps = FeatureMaps(network, pictures[0], ("conv1",))
    kernel = np.zeros((3, 2, 3, 5), np.float32)
    kernel[1, 0, 2] = 1.0  # the blue of the pixel below
    network.get_layer("conv1").set_weights([kernel, np.zeros(5)])

    [section] = feature_maps.sections()

    blue = pictures[0, 1:12, 0:10, 2].astype(np.float32)
    by_hand = (blue - blue.min()) / (blue.max() - blue.min()) * 255
    np.testing.assert_allclose(section.tiles[4], by_hand, atol=1)


def test_maps_reach_from_black_to_white_and_a_dead_one_is_black() -> None:
    values = np.stack([[[-3.0, 1.0, 5.0]], [[2.0, 2.0, 2.0]]], axis=-1)

    assert np.asarray(map_tiles(values)).tolist() == [[[0, 128, 255]], [[0, 0, 0]]]


def test_unknown_layer_is_an_error_that_lists_the_layers() -> None:
    with pytest.raises(ValueError, match=r"no layer 'convv2'\. Did you mean conv2\? It has: norm"):
        choose_layers(small_network(), ("conv1", "convv2"))


def test_dense_layer_can_be_drawn_too(pictures: npt.NDArray[np.uint8]) -> None:
    [section] = FeatureMaps(small_network(), pictures[0], ("features",)).sections()

    assert section.caption == "features: 6 values, row by row"
    assert np.asarray(section.tiles).shape == (1, 2, 3)
