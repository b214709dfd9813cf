"""Whole trainings of tiny networks: what they come to, and how they go on after an interruption."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.examples import write_examples
from trainer.training.config import TrainerConfig
from trainer.training.devices import build_strategy
from trainer.training.history import HISTORY_FILE, read_history
from trainer.training.input import Split, eval_batches
from trainer.training.train import train

pytestmark = pytest.mark.slow

_NUM_CLASSES = 4
_NUM_TRAIN = 72
_SETTINGS: dict[str, Any] = {
    "network": {"name": "residual", "input_px": 32, "width": 8, "blocks": [1, 1]},
    "epochs": 6,
    "batch_size": 16,
    "pictures": {"histograms": False},
}
_STEPS_PER_EPOCH = math.ceil(_NUM_TRAIN / 16)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 train and 20 eval pictures of four colours, the last with a third as many."""
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder / "train.gz", counts=[22, 22, 22, 6], size_px=32, seed=1)
    write_examples(folder / "eval.gz", counts=[5, 5, 5, 5], size_px=32, seed=2)
    return folder


def _train(
    examples: Path,
    work_dir: Path,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **settings: Any,
) -> keras.Model:
    config = TrainerConfig.model_validate({**_SETTINGS, **settings})
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    return train(
        config,
        Split.find([str(examples / "train.gz")]),
        Split.find([str(examples / "eval.gz")]),
        num_classes=_NUM_CLASSES,
        work_dir=work_dir,
        callbacks_for=lambda network, first_step: callbacks,
    )


def _history(work_dir: Path) -> list[dict[str, float]]:
    with (work_dir / "logs" / HISTORY_FILE).open(newline="") as file:
        return [
            {name: float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def test_training_learns_and_leaves_a_row_for_each_epoch(examples: Path, tmp_path: Path) -> None:
    _train(examples, tmp_path)

    rows = _history(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30]
    assert rows[-1]["val_accuracy"] > 0.9
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["learning_rate"] == 0
    assert sorted(row["elapsed_s"] for row in rows) == [row["elapsed_s"] for row in rows]


# A process of its own, because it is killed, and because a processor is split before its first use.
_SCRIPT = """
import json, sys
from pathlib import Path
import keras, tensorflow as tf
from trainer.training.config import TrainerConfig
from trainer.training.devices import split_processor
from trainer.training.input import Split
from trainer.training.train import train
settings, examples, work_dir = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
config = TrainerConfig.model_validate(settings)
split_processor(config.logical_devices)
keras.utils.set_random_seed(config.seed)
tf.config.experimental.enable_op_determinism()
train(config, Split.find([str(examples / "train.gz")]), Split.find([str(examples / "eval.gz")]),
      num_classes=4, work_dir=work_dir)
print("devices:", len(tf.config.list_logical_devices("CPU")))
"""


def _start(examples: Path, work_dir: Path, **settings: Any) -> subprocess.Popen[str]:
    arguments = [json.dumps({**_SETTINGS, **settings}), str(examples), str(work_dir)]
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("logical_devices", [1, 2])
def test_killed_training_goes_on_where_it_was(
    examples: Path, tmp_path: Path, logical_devices: int
) -> None:
    settings = {"logical_devices": logical_devices, "epochs": 12}
    first = _start(examples, tmp_path, **settings)
    checkpoints = tmp_path / "checkpoints" / "phase-0"
    while not any(path.name != "ckpt-1.index" for path in checkpoints.glob("*.index")):
        assert first.poll() is None, "the training ended before it could be killed"
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    [kept, *_] = _history(tmp_path)

    again = _start(examples, tmp_path, **settings)
    output, _ = again.communicate()

    assert again.returncode == 0
    assert f"devices: {logical_devices}" in output
    rows = _history(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[0] == kept
    assert read_history(tmp_path / "logs")[-1].step == 12 * _STEPS_PER_EPOCH


@pytest.mark.slow
def test_training_that_goes_on_ends_as_if_it_had_never_stopped(
    examples: Path, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    _train(examples, whole)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(examples, stopped, callbacks=[Stop()])
    _train(examples, stopped)

    for name in ("epoch", "step", "loss", "accuracy", "val_loss", "val_accuracy"):
        assert [row[name] for row in _history(stopped)] == [row[name] for row in _history(whole)]


@pytest.mark.parametrize(
    "settings",
    [
        {"max_steps": 13},
        {"augment": {"on_device": True, "cutmix_factor": 1.0}},
        {"augment": {"shift_fraction": 0, "crop_min_area": 0.5, "train_px": [16, 32]}},
        {"optimizer": "sgd", "l2": 1e-3, "class_weights": "balanced"},
        {"optimizer": {"name": "rmsprop", "momentum": 0.5}, "schedule": "exponential"},
        {"optimizer": "adagrad", "learning_rate": 0.1, "schedule": "constant"},
        {"precision": "bfloat16"},
        {"eval_every_epochs": 2},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_training_learns_with_every_kind_of_setting(
    examples: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    _train(examples, tmp_path, **settings)

    rows = _history(tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["step"] == settings.get("max_steps", 30)


def test_network_trained_in_bfloat16_is_handed_on_in_float32(
    examples: Path, tmp_path: Path
) -> None:
    model = _train(examples, tmp_path, precision="bfloat16", max_steps=2)

    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_l2_adds_the_squares_of_kernels_and_of_nothing_else(examples: Path, tmp_path: Path) -> None:
    model = _train(examples, tmp_path, epochs=1, l2=0.02)

    kernels = [np.asarray(each) for each in model.variables if each.name == "kernel"]
    assert len(kernels) == 7
    by_hand = 0.02 * sum(float((kernel.astype(np.float64) ** 2).sum()) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-4)


def test_patience_stops_after_epochs_without_progress_and_keeps_the_best_weights(
    examples: Path, tmp_path: Path
) -> None:
    # So high a rate that the eval loss does not keep falling.
    model = _train(
        examples,
        tmp_path,
        epochs=30,
        learning_rate=0.3,
        schedule="constant",
        early_stop={"patience_epochs": 2},
        precision="float32",  # a network trained in another is handed on without its loss
    )

    rows = _history(tmp_path)
    losses = [row["val_loss"] for row in rows]
    assert len(rows) < 30
    assert losses.index(min(losses)) == len(rows) - 3
    split = Split.find([str(examples / "eval.gz")])
    config = TrainerConfig.model_validate(_SETTINGS)
    batches = eval_batches(split, config.network.image, config, num_classes=_NUM_CLASSES)
    loss, _ = model.evaluate(batches, verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-4)


def test_loss_tolerance_stops_after_the_first_epoch_below_it(
    examples: Path, tmp_path: Path
) -> None:
    _train(examples, tmp_path, epochs=30, early_stop={"loss_tolerance": 0.9})

    losses = [row["loss"] for row in _history(tmp_path)]
    assert len(losses) < 30
    assert losses[-1] <= 0.9
    assert min(losses[:-1]) > 0.9


def test_loss_that_is_not_finite_stops_the_training_and_names_the_step(
    examples: Path, tmp_path: Path
) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 10, "schedule": "constant", "l2": 1e9}
    with pytest.raises(ValueError, match=r"The loss is (inf|nan) at step \d+\..*learning_rate"):
        _train(examples, tmp_path, **settings)


def test_frozen_backbone_keeps_its_weights_until_it_is_fine_tuned(
    examples: Path, tmp_path: Path
) -> None:
    backbone = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), include_top=False, weights=None
    )
    weights = tmp_path / "mobilenet.weights.h5"
    backbone.save_weights(weights)
    network = {"name": "transfer", "backbone": "MobileNetV2", "input_px": 32}
    network["weights"] = str(weights)
    kernel = backbone.get_layer("Conv1").kernel.numpy()

    frozen = _train(examples, tmp_path / "a", epochs=2, network={**network, "frozen_fraction": 1.0})
    tuned = _train(examples, tmp_path / "b", epochs=2, network={**network, "frozen_fraction": 0.5})

    np.testing.assert_array_equal(_kernel(frozen, "Conv1"), kernel)
    assert not np.allclose(_kernel(tuned, "Conv1"), kernel)
    rates = [row["learning_rate"] for row in _history(tmp_path / "b")]
    assert [row["epoch"] for row in _history(tmp_path / "b")] == [1, 2]
    assert len(rates) == 2


def _kernel(model: keras.Model, layer: str) -> np.ndarray:
    [kernel] = [each for each in model.variables if each.path.endswith(f"{layer}/kernel")]
    return np.asarray(kernel)


def test_batch_that_devices_cannot_share_is_refused_with_one_that_they_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = tf.config.list_logical_devices("CPU") * 3
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: devices if kind == "CPU" else []
    )
    with pytest.raises(ValueError, match=r"batch_size 16 cannot be shared evenly by 3.*; 15 can"):
        build_strategy(TrainerConfig.model_validate(_SETTINGS))
