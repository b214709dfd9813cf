from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError

from trainer.networks.registry import build_network, needs_statistics, outline_network
from trainer.networks.transfer.backbones import (
    BACKBONES,
    BackboneFamily,
    normalise_for_backbone,
)
from trainer.networks.transfer.network import (
    TransferConfig,
    set_backbone_trainable,
)

pytestmark = pytest.mark.slow

_PX = 32
_HEAD = ["logits/kernel", "logits/bias"]
_PICTURES = np.random.default_rng(4).integers(0, 256, (3, _PX, _PX, 3), dtype=np.uint8)


def _config(**options: Any) -> TransferConfig:
    return TransferConfig.model_validate({"backbone": "MobileNet", "input_px": _PX, **options})


@pytest.fixture(scope="module")
def kerass_own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float32]]:
    """A MobileNet without its top: its weights as Keras saves them, and what it makes of pictures
    that Keras's own function has prepared."""
    keras.utils.set_random_seed(8)
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    backbone = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(_PX, _PX, 3), pooling="avg"
    )
    rng = np.random.default_rng(8)
    for weight in backbone.weights:  # running averages too: fresh ones are the same everywhere
        weight.assign(weight + 0.01 * rng.uniform(size=weight.shape))
    backbone.save_weights(path)
    prepared = keras.applications.mobilenet.preprocess_input(_PICTURES.astype(np.float32))
    return path, np.asarray(backbone(prepared, training=False))


@pytest.fixture(scope="module")
def config(kerass_own: tuple[Path, NDArray[np.float32]]) -> TransferConfig:
    return _config(weights=str(kerass_own[0]), dropout=0, fine_tune_from_layer="conv_dw_13")


@pytest.fixture(scope="module")
def network(config: TransferConfig) -> keras.Model:
    return build_network(config, 7)


def test_table_lists_every_backbone_of_keras() -> None:
    models = {
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and not isinstance(value, ModuleType)
    }

    assert set(BACKBONES) == models


@pytest.mark.parametrize(
    "family", {family.module: family for family in BACKBONES.values()}.values(),
    ids=lambda family: family.module,
)  # fmt: skip
def test_preprocessing_inside_the_model_is_that_of_keras(family: BackboneFamily) -> None:
    module = getattr(keras.applications, family.module)
    pictures = keras.Input((_PX, _PX, 3), dtype="uint8")
    model = keras.Model(pictures, normalise_for_backbone(pictures, family.preprocessing))

    expected = module.preprocess_input(_PICTURES.astype(np.float32))

    np.testing.assert_allclose(model(_PICTURES), expected, rtol=1e-5, atol=1e-5)


def test_features_of_a_local_file_are_those_of_kerass_own_model(
    network: keras.Model, kerass_own: tuple[Path, NDArray[np.float32]]
) -> None:
    features = keras.Model(network.input, network.get_layer("features").output)

    np.testing.assert_allclose(features(_PICTURES), kerass_own[1], rtol=1e-4, atol=1e-5)


def test_frozen_backbone_keeps_weights_and_averages_in_training(network: keras.Model) -> None:
    assert [weight.path for weight in network.trainable_weights] == _HEAD
    before = [np.array(weight) for weight in network.non_trainable_weights]

    training = network(_PICTURES, training=True)

    np.testing.assert_allclose(training, network(_PICTURES), rtol=1e-4, atol=1e-5)
    for weight, value in zip(network.non_trainable_weights, before, strict=True):
        assert np.array_equal(weight, value)


def test_fine_tuning_opens_the_backbone_from_a_layer_on_but_no_batch_norm(
    network: keras.Model, config: TransferConfig
) -> None:
    set_backbone_trainable(network, config, trainable=True)
    opened = [weight.path for weight in network.trainable_weights]
    set_backbone_trainable(network, config, trainable=False)
    frozen = [weight.path for weight in network.trainable_weights]

    assert opened == ["conv_dw_13/kernel", "conv_pw_13/kernel", *_HEAD]
    assert frozen == _HEAD


def test_exported_model_needs_no_weights_file(
    network: keras.Model, config: TransferConfig, tmp_path: Path
) -> None:
    network.export(tmp_path / "exported", verbose=False)
    Path(config.weights).rename(tmp_path / "away")
    try:
        reloaded = tf.saved_model.load(tmp_path / "exported")
        logits = reloaded.serve(_PICTURES)
    finally:
        (tmp_path / "away").rename(config.weights)

    np.testing.assert_allclose(logits, network(_PICTURES), rtol=1e-4, atol=1e-5)


def test_random_backbone_learns_from_the_start_batch_norm_included() -> None:
    model = outline_network(_config(weights="none"), 7)

    averages = ("moving_mean", "moving_variance")
    assert {weight.path.split("/")[-1] for weight in model.non_trainable_weights} == set(averages)


def test_backbone_layer_that_there_is_not_is_named_with_its_like() -> None:
    with pytest.raises(ValueError, match=r"MobileNet has no layer 'conv2'\. Did you mean conv1"):
        outline_network(_config(fine_tune_from_layer="conv2"), 7)


def test_published_efficientnet_in_a_file_is_normalised_as_where_keras_downloads_it(
    tmp_path: Path,
) -> None:
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    published = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(_PX, _PX, 3)
    )
    for layer in published.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt_mean.assign(mean)
            layer.adapt_variance.assign(sd**2)
    published.save_weights(tmp_path / "published.weights.h5")

    config = _config(backbone="EfficientNetB0", weights=str(tmp_path / "published.weights.h5"))
    model = build_network(config, 7)

    seen = keras.Model(model.input, model.get_layer("stem_conv_pad").input)(_PICTURES)
    expected = (_PICTURES / 255 - mean) / sd / np.sqrt(sd)
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-5)


def test_weights_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.h5, which trainer\.network\.weights names"):
        build_network(_config(weights=str(tmp_path / "gone.h5")), 7)


@pytest.mark.parametrize("name", ["text.weights.h5", "text.h5", "text.keras", "text.bin"])
def test_file_that_holds_no_weights_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("no weights")

    with pytest.raises(ValueError, match=f"{name} does not hold the weights of MobileNet"):
        build_network(_config(weights=str(path)), 7)


def test_file_of_another_backbones_weights_is_named(config: TransferConfig) -> None:
    other = _config(backbone="MobileNetV3Small", weights=config.weights)

    with pytest.raises(ValueError, match="does not hold the weights of MobileNetV3Small without"):
        build_network(other, 7)


def test_download_without_internet_points_to_a_local_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**_: object) -> keras.Model:
        # As keras.utils.get_file ends where there is no internet.
        raise Exception("URL fetch failure on https://storage: None -- [Errno -2] Name or service")

    monkeypatch.setattr(keras.applications, "MobileNet", offline)

    with pytest.raises(ConnectionError, match=r"set trainer\.network\.weights to a local file"):
        build_network(_config(weights="imagenet"), 7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbone": "EfficentNetB0"}, "no such backbone. Did you mean EfficientNetB0"),
        ({"backbone": "resnet50"}, "Did you mean ResNet50"),
        ({"backbone": "?"}, "Did you mean ConvNeXtTiny, ConvNeXtSmall"),
        ({"backbone": "Xception", "input_px": 70}, "Xception needs input_px of at least 71"),
        ({"weights": "none", "frozen_fraction": 0.5}, "would stay random"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_keras_is_asked(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        _config(**options)


@pytest.mark.parametrize(
    ("options", "epochs", "frozen"),
    [
        ({}, 10, 5),
        ({"frozen_fraction": 0.3}, 10, 3),
        ({"frozen_fraction": 1}, 4, 4),
        ({"frozen_fraction": 0}, 4, 0),
        ({"weights": "none"}, 10, 0),
    ],
)
def test_frozen_epochs_are_a_share_of_all(
    options: dict[str, Any], epochs: int, frozen: int
) -> None:
    assert _config(**options).num_frozen_epochs(epochs) == frozen


def test_backbone_needs_no_statistics() -> None:
    assert not needs_statistics(_config())
