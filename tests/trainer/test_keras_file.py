from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from tests.trainer.own_backbone import write_backbone
from trainer.networks.registry import build_network, outline_network
from trainer.networks.transfer.network import TransferConfig

pytestmark = pytest.mark.slow

_PICTURES = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def _config(path: Path, **options: Any) -> TransferConfig:
    return TransferConfig.model_validate({"backbone": str(path), **options})


def _features(network: keras.Model) -> np.ndarray:
    features_of = keras.Model(network.input, network.get_layer("features").output)
    return np.asarray(features_of(_PICTURES))


def test_features_are_those_of_the_model_in_the_file(tmp_path: Path) -> None:
    model = write_backbone(tmp_path / "own.keras")

    network = build_network(_config(tmp_path / "own.keras"), 7)

    own = keras.Model(model.input, model.get_layer("features").output)
    expected = own(_PICTURES.astype(np.float32))
    np.testing.assert_allclose(_features(network), expected, rtol=1e-5, atol=1e-6)
    assert network.output_shape == (None, 7)
    assert [weight.path for weight in network.trainable_weights] == ["logits/kernel", "logits/bias"]
    assert network.get_layer("last").output.shape == (None, 7, 7, 12)


def test_size_of_the_picture_is_the_files_unless_said(tmp_path: Path) -> None:
    write_backbone(tmp_path / "own.keras", px=48)
    write_backbone(tmp_path / "open.keras", px=None)

    larger = _config(tmp_path / "own.keras", input_px=64)

    assert _config(tmp_path / "own.keras").input_px == 48
    assert _config(tmp_path / "open.keras").input_px == 224
    assert build_network(larger, 7).input_shape == (None, 64, 64, 3)
    assert build_network(larger, 7).get_layer("last").output.shape == (None, 15, 15, 12)


def test_pixels_are_scaled_as_the_settings_say_where_the_file_does_not(tmp_path: Path) -> None:
    model = write_backbone(tmp_path / "own.keras", scales_pixels=False)

    network = build_network(_config(tmp_path / "own.keras", scaling="tf"), 7)

    own = keras.Model(model.input, model.get_layer("features").output)
    expected = own(_PICTURES / np.float32(127.5) - 1)
    np.testing.assert_allclose(_features(network), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"not scale its pixels.*set trainer\.network\.scaling"):
        build_network(_config(tmp_path / "own.keras"), 7)


@pytest.mark.parametrize("top", ["none", "flat", "pooled within", "keeps dims"])
def test_top_of_any_kind_is_cut_off(tmp_path: Path, top: str) -> None:
    layers = keras.layers
    pictures = keras.Input((32, 32, 3))
    maps = layers.Conv2D(6, 5, strides=3)(layers.Rescaling(1 / 255)(pictures))
    if top == "none":
        model = keras.Model(pictures, maps)
    elif top == "flat":
        model = keras.Model(pictures, layers.Dense(9)(layers.Flatten()(maps)))
    elif top == "pooled within":
        body = keras.Model(pictures, layers.GlobalAveragePooling2D()(maps))
        model = keras.Sequential([keras.Input((32, 32, 3)), body, layers.Dense(9)])
    else:
        pooled = layers.GlobalAveragePooling2D(keepdims=True)(maps)
        model = keras.Model(pictures, layers.Flatten()(layers.Conv2D(9, 1)(pooled)))
    model.save(tmp_path / "own.keras")

    network = build_network(_config(tmp_path / "own.keras"), 7)

    expected = np.mean(keras.Model(pictures, maps)(_PICTURES.astype(np.float32)), axis=(1, 2))
    np.testing.assert_allclose(_features(network), expected, rtol=1e-4, atol=1e-5)


def test_outline_and_random_backbone_have_the_files_layers(tmp_path: Path) -> None:
    write_backbone(tmp_path / "own.keras")
    config = _config(tmp_path / "own.keras", weights="none", fine_tune_from_layer="last")

    built = build_network(_config(tmp_path / "own.keras", weights="none"), 7)

    assert outline_network(config, 7).count_params() == built.count_params()
    assert "stem/kernel" in [weight.path for weight in built.trainable_weights]


@pytest.mark.parametrize(
    ("content", "said"),
    [("no archive", "is no .keras file"), (None, "own.keras")],
)
def test_file_that_is_none_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "own.keras").write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        build_network(_config(tmp_path / "own.keras"), 7)


def test_model_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    words = keras.Input((12,))
    keras.Model(words, keras.layers.Dense(3)(words)).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match="from one picture"):
        build_network(_config(tmp_path / "own.keras", scaling="tf"), 7)


def test_file_and_weights_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="its weights are in it"):
        _config(tmp_path / "own.keras", weights="imagenet")


def test_real_efficientnet_lite_with_its_top_is_taken_as_it_is() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "efficientnet_lite0.keras"
    if not path.is_file():
        pytest.skip("there is no efficientnet_lite0.keras beside the project")

    network = build_network(_config(path), 7)

    assert network.input_shape == (None, 224, 224, 3)
    assert network.get_layer("features").output.shape == (None, 1280)
