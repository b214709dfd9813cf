"""A network and an augmentation of the user's own, the examples of docs/networks.md among them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from typer.testing import CliRunner

from foundation.errors import UserError
from pipeline.cli.app import app
from pipeline.cli.train.settings import show_settings
from pipeline.config.load import load_config
from tests.conftest import WriteModule
from tests.trainer.examples import write_examples
from tests.trainer.own_network import build
from trainer.networks.custom import CustomConfig
from trainer.networks.registry import build_network, outline_network
from trainer.pictures.feature_maps import FeatureMaps
from trainer.pictures.filters import filter_section
from trainer.preprocessing.image import ImageSpec
from trainer.training.augment import Augmentation
from trainer.training.config import AugmentConfig, TrainerConfig
from trainer.training.input import Split
from trainer.training.train import train
from trainer.tuning.config import SearchedSetting, TunerConfig
from trainer.tuning.search import build_space
from trainer.tuning.values import apply_values

_DOCS = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
_EXAMPLES = dict(re.findall(r'```python\n"""(\w+)\.py"""\n(.*?)```', _DOCS, re.DOTALL))
_OWN = "tests.trainer.own_network"


def test_models_shows_the_layers_of_the_documented_example(write_module: WriteModule) -> None:
    import pipeline.cli.main  # noqa: F401

    write_module("my_network", _EXAMPLES["my_network"])
    options = ["--set", "build=my_network:build", "--set", "settings.width=32"]

    done = CliRunner().invoke(app, ["models", "custom", *options, "--classes", "7"])

    assert done.exit_code == 0, done.output
    assert "custom: 64x64x3 to 7 classes" in done.output
    [conv] = [line.split() for line in done.output.splitlines() if line.startswith("conv2d ")]
    assert conv[1:3] == ["Conv2D", "62x62x32"]


_BAD = """
import keras
from keras import layers

def model(shape, *last):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), *last])

def softmax(shape, num_classes): return model(shape, layers.Dense(num_classes, "softmax"))
def softmax_layer(shape, num_classes): return model(shape, layers.Dense(6), layers.Softmax())
def too_few(shape, num_classes): return model(shape, layers.Dense(5))
def any_size(shape, num_classes):
    return keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(),
         layers.Dense(num_classes)]
    )
def too_small(shape, num_classes): return model((9, 9, 3), layers.Dense(num_classes))
def ends_with_a_model(shape, num_classes):
    return model(shape, keras.Sequential([layers.Dense(num_classes)]))
def nothing(shape, num_classes): pass
def fails(shape, num_classes): return {}["key"]
def no_layer(shape, num_classes):
    pixels = keras.Input(shape)
    return keras.Model(pixels, layers.Dense(num_classes)(layers.Flatten()(pixels)) / 2)
"""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("bad:softmax", "bad:softmax must return logits: leave out the softmax of dense"),
        ("bad:softmax_layer", "must return logits: leave out the softmax of softmax"),
        ("bad:too_few", r"\(None, 6\), not from \(None, 32, 32, 3\) to \(None, 5\)"),
        ("bad:too_small", r"from \(None, 32, 32, 3\) to \(None, 6\), not from \(None, 9, 9, 3\)"),
        ("bad:nothing", "must return a keras.Model made of layers, .*, not NoneType"),
        ("bad:fails", "bad:fails failed in line 20 of .*bad.py: KeyError: 'key'"),
        ("bad:no_layer", "must end with a layer such as Dense"),
        ("bad:model", "bad:model failed in line 6 of .*bad.py"),
        ("bad:ends_with_a_model", "must end with a layer such as Dense"),
        (f"{_OWN}:Scaled", "cannot be called with a shape, a number of classes and the settings"),
    ],
)
def test_function_that_makes_no_network_is_named_with_what_is_wrong(
    function: str, said: str, write_module: WriteModule
) -> None:
    write_module("bad", _BAD)

    with pytest.raises(ValueError, match=said):
        outline_network(CustomConfig(build=function, input_px=32), 6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("gone:build", "there is no module gone. Put the folder that it is in on PYTHONPATH"),
        ("bad.gone:build", "bad.gone cannot be imported: ModuleNotFoundError"),
        ("bad:gone", "bad.py has no function gone"),
        ("bad:layers", "bad.py has no function layers"),
        ("broken:build", "broken cannot be imported: SyntaxError"),
    ],
)
def test_function_that_is_not_there_is_named(
    function: str, said: str, write_module: WriteModule
) -> None:
    write_module("bad", _BAD)
    write_module("broken", "def build(:")

    with pytest.raises(UserError, match=said):
        outline_network(CustomConfig(build=function, input_px=32), 6)


def test_mistakes_in_the_settings_are_reported_together() -> None:
    with pytest.raises(UserError) as raised:
        load_config(
            None, ["trainer.network=custom", "trainer.network.input_px=4", "trainer.epochs=0"]
        )

    said = str(raised.value)
    assert "trainer.network.build: wants MODULE:FUNCTION such as my_package.my_module" in said
    assert "trainer.network.input_px" in said
    assert "trainer.epochs" in said


def test_settings_lists_the_functions_arguments() -> None:
    settings = ["trainer.network=custom", "trainer.network.build=a:b"]
    console = Console(file=io.StringIO(), width=200)

    show_settings(load_config(None, [*settings, "trainer.network.settings.width=8"]), console)

    assert "{width: 8}" in console.file.getvalue()  # type: ignore[attr-defined]


def test_network_is_what_the_function_built_behind_normalised_pixels() -> None:
    config = CustomConfig(build=f"{_OWN}:build", input_px=(14, 18))
    network = build_network(config, 6)
    own = build((14, 18, 3), 6)
    own.set_weights(network.get_weights())
    pictures = np.random.default_rng(2).integers(0, 256, (4, 14, 18, 3), dtype=np.uint8)

    np.testing.assert_allclose(network(pictures), own(pictures / 127.5 - 1), rtol=1e-4, atol=1e-5)


def test_model_for_pictures_of_any_size_is_taken(write_module: WriteModule) -> None:
    write_module("bad", _BAD)

    network = outline_network(CustomConfig(build="bad:any_size", input_px=(14, 18)), 6)

    assert network.input.shape == (None, 14, 18, 3)
    assert network.layers[-1].output.shape == (None, 6)


def test_sequential_model_without_an_input_is_given_one() -> None:
    network = build_network(CustomConfig(build=f"{_OWN}:build_sequential", input_px=(9, 8)), 6)

    assert network.count_params() == (9 * 8 * 3 + 1) * 7 + (7 + 1) * 6


def test_pictures_show_the_convolutions_inside_the_model() -> None:
    network = build_network(CustomConfig(build=f"{_OWN}:build", input_px=(14, 18)), 6)

    filters = filter_section(network)
    maps = FeatureMaps(network, np.zeros((14, 18, 3), np.uint8)).sections()

    assert filters is not None
    assert len(filters.tiles) == 6
    assert [len(section.tiles) for section in maps] == [6, 5]


class _Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_interrupted_training_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, write_module: WriteModule
) -> None:
    write_module("my_network", _EXAMPLES["my_network"])
    write_module("my_augment", _EXAMPLES["my_augment"])
    for name, counts in (("train", [9, 9, 9]), ("eval", [3, 3, 3])):
        write_examples(tmp_path / f"{name}.gz", counts=counts, size_px=32, seed=1)
    config = TrainerConfig.model_validate(
        {
            "network": {
                "name": "custom",
                "build": "my_network:build",
                "settings": {"width": 4},
                "input_px": 32,
            },
            "augment": {"custom": "my_augment:add_noise"},
            "epochs": 2,
            "batch_size": 8,
        }
    )

    def trained(work_dir: str, *callbacks: keras.callbacks.Callback) -> list[np.ndarray]:
        keras.utils.clear_session()
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
        network = train(
            config,
            Split.find([str(tmp_path / "train.gz")]),
            Split.find([str(tmp_path / "eval.gz")]),
            num_classes=3,
            work_dir=tmp_path / work_dir,
            callbacks_for=lambda network, first_step: callbacks,
        )
        return network.get_weights()

    whole = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("interrupted", _Interrupt())
    resumed = trained("interrupted")

    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def _augmented(function: str) -> np.ndarray:
    config = AugmentConfig(flip=False, shift_fraction=0, custom=function)
    augmentation = Augmentation(config, ImageSpec(height_px=8, width_px=8), num_steps=4, seed=3)
    ramp = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    pictures, _ = tf.function(augmentation, autograph=False)(
        tf.constant(ramp), tf.constant([[1.0, 0.0]]), tf.constant(1, tf.int64)
    )
    return pictures.numpy()


def test_own_augmentation_changes_the_pictures(write_module: WriteModule) -> None:
    write_module("half", "def half(pictures, seed): return pictures // 2")

    ramp = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    np.testing.assert_array_equal(_augmented("half:half"), ramp // 2)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("None", "must return .*uint8.*, not .*NoneType"),
        ("pictures / 2", "must return .*uint8.*, not .*float"),
        ("pictures[:, 1:]", r"must return .*8, 8, 3.*, not .*7, 8, 3"),
    ],
)
def test_augmentation_that_gives_something_else_is_refused(
    code: str, said: str, write_module: WriteModule
) -> None:
    write_module("odd", f"def change(pictures, seed): return {code}")

    with pytest.raises(ValueError, match=f"trainer.augment.custom: odd:change {said}"):
        _augmented("odd:change")


def test_search_varies_the_functions_arguments() -> None:
    trainer = TrainerConfig(network=CustomConfig(build=f"{_OWN}:build", settings={"width": 3}))
    tuner = TunerConfig(
        space={
            "network.settings.width": SearchedSetting(choices=(4, 8)),
            "network.settings.factor": SearchedSetting(min=0.5, max=2),
        }
    )

    space = build_space(tuner, trainer)

    assert space.get("network.settings.width") == 4
    assert space.get("network.settings.factor") == 0.5
    changed = apply_values(trainer, {"network.settings.width": 8})
    assert changed.network == CustomConfig(build=f"{_OWN}:build", settings={"width": 8})
