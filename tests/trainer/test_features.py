from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.trainer.examples import write_examples
from tests.trainer.own_backbone import write_backbone
from trainer.training import features
from trainer.training.config import TrainerConfig
from trainer.training.history import PROGRESS_LOGGER, Epoch, read_history
from trainer.training.input import Split, eval_batches
from trainer.training.train import train

pytestmark = pytest.mark.slow

_NUM_CLASSES = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 train and 20 eval pictures of four colours, and a backbone."""
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder / "train.gz", counts=[22, 22, 22, 6], size_px=32, seed=1)
    write_examples(folder / "eval.gz", counts=[5, 5, 5, 5], size_px=32, seed=2)
    write_backbone(folder / "own.keras")
    return folder


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_PER_FILE", 32)
    monkeypatch.setattr(features, "_BATCH_SIZE", 16)
    monkeypatch.setattr(features, "_INTERVAL_S", 0.0)


def _config(folder: Path, network: dict[str, Any] | None = None, **more: Any) -> TrainerConfig:
    backbone = {"name": "transfer", "backbone": str(folder / "own.keras"), "frozen_fraction": 1}
    return TrainerConfig.model_validate(
        {
            "network": {**backbone, **(network or {})},
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 0.02,
            "pictures": {"histograms": False},
            **more,
        }
    )


def _train(
    folder: Path,
    work_dir: Path,
    config: TrainerConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    return train(
        config,
        Split.find([str(folder / "train.gz")]),
        Split.find([str(folder / "eval.gz")]),
        num_classes=_NUM_CLASSES,
        work_dir=work_dir,
        callbacks_for=lambda network, first_step: callbacks,
    )


def _measured(work_dir: Path) -> list[Epoch]:
    history = read_history(work_dir / "logs")
    return [dataclasses.replace(epoch, elapsed_s=0) for epoch in history]


def _part(work_dir: Path, split: str, number: int = 0) -> Path:
    return work_dir / "checkpoints" / "features" / split / f"part-{number:05}"


def _kept(work_dir: Path, split: str) -> NDArray[np.float32]:
    parts = sorted((work_dir / "checkpoints" / "features" / split).glob("part-*"))
    return np.concatenate([np.load(part / "features.npy") for part in parts])


def _pictures(folder: Path, name: str, config: TrainerConfig) -> NDArray[np.uint8]:
    split = Split.find([str(folder / name)])
    batches = eval_batches(split, config.network.image, config, num_classes=_NUM_CLASSES)
    return np.concatenate([pictures.numpy() for pictures, _ in batches])


def test_last_layer_on_kept_features_is_that_of_the_whole_network(
    folder: Path, tmp_path: Path
) -> None:
    config = _config(folder, label_smoothing=0)
    network = _train(folder, tmp_path, config)

    rows = read_history(tmp_path / "logs")
    assert [row.step for row in rows] == [5, 10, 15, 20]
    assert rows[-1].loss < rows[0].loss
    split = Split.find([str(folder / "eval.gz")])
    evaluation = eval_batches(split, config.network.image, config, num_classes=_NUM_CLASSES)
    network.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    loss = network.evaluate(evaluation, verbose=0)
    assert rows[-1].val_loss == pytest.approx(loss, rel=1e-4)


def test_training_on_kept_features_takes_the_steps_of_training_on_pictures(
    folder: Path, tmp_path: Path
) -> None:
    # All pictures in one batch, with nothing drawn: only the rounding can differ.
    still = {"flip": False, "shift_fraction": 0}
    settings = {"batch_size": 72, "augment": still}
    heads = {}
    for copies in (0, 1):
        network = {"feature_copies": copies, "dropout": 0}
        trained = _train(folder, tmp_path / str(copies), _config(folder, network, **settings))
        heads[copies] = trained.get_layer("logits").get_weights()

    assert not (tmp_path / "0" / "checkpoints" / "features").exists()
    for computed, kept in zip(heads[0], heads[1], strict=True):
        np.testing.assert_allclose(computed, kept, rtol=1e-3, atol=1e-4)


def test_copies_are_the_picture_its_mirror_image_and_augmentations(
    folder: Path, tmp_path: Path
) -> None:
    config = _config(folder, {"feature_copies": 4}, epochs=1)
    network = _train(folder, tmp_path, config)

    kept = _kept(tmp_path, "train")
    pictures = _pictures(folder, "train.gz", config)
    features_of = keras.Model(network.input, network.get_layer("features").output)
    assert kept.shape == (72, 4, 12)
    np.testing.assert_allclose(kept[:, 0], features_of(pictures), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kept[:, 1], features_of(pictures[:, :, ::-1]), rtol=1e-4, atol=1e-5)
    assert not np.allclose(kept[:, 2], kept[:, 0], atol=1e-3)
    assert not np.allclose(kept[:, 2], kept[:, 3], atol=1e-3)
    assert _kept(tmp_path, "eval").shape == (20, 1, 12)


def test_pictures_that_must_not_be_mirrored_are_not(folder: Path, tmp_path: Path) -> None:
    augment = {"flip": False, "shift_fraction": 0}
    _train(folder, tmp_path, _config(folder, {"feature_copies": 2}, epochs=1, augment=augment))

    kept = _kept(tmp_path, "train")
    np.testing.assert_allclose(kept[:, 1], kept[:, 0], rtol=1e-4, atol=1e-5)


class _StopAtEpoch(keras.callbacks.Callback):
    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == self._epoch:
            raise KeyboardInterrupt


class _StopAfterFirstFile(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if "train pictures, 48/72" in record.getMessage():
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def halves(folder: Path) -> TrainerConfig:
    """Two epochs of the last layer, then two of the whole network."""
    return _config(folder, {"frozen_fraction": 0.5, "feature_copies": 3})


def test_interrupted_at_any_point_it_ends_as_if_it_had_never_stopped(
    folder: Path, halves: TrainerConfig, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    _train(folder, whole, halves)

    handler, logger = _StopAfterFirstFile(), logging.getLogger(PROGRESS_LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with pytest.raises(KeyboardInterrupt):
            _train(folder, stopped, halves)
    finally:
        logger.removeHandler(handler)
    assert _part(stopped, "train").is_dir()
    assert not _part(stopped, "train", 1).exists()
    written_at = (_part(stopped, "train") / "features.npy").stat().st_mtime_ns
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            _train(folder, stopped, halves, [_StopAtEpoch(epoch)])
    _train(folder, stopped, halves)

    assert _measured(stopped) == _measured(whole)
    assert (_part(stopped, "train") / "features.npy").stat().st_mtime_ns == written_at
    np.testing.assert_array_equal(_kept(stopped, "train"), _kept(whole, "train"))


def test_progress_of_the_features_is_told(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, PROGRESS_LOGGER):
        _train(folder, tmp_path, _config(folder, epochs=1))

    told = [record for record in caplog.records if record.name == PROGRESS_LOGGER]
    messages = [record.getMessage() for record in told]
    lines = [each.getMessage() for each in told if getattr(each, "milestone", False)]
    assert "features of train pictures, 16/72" in messages
    assert lines[:4] == [
        "features of train pictures, 32/72",
        "features of train pictures, 64/72",
        "features of train pictures, 72/72",
        "features of eval pictures, 20/20",
    ]
    assert lines[4].startswith("epoch 1/1, accuracy")


def test_time_for_the_features_counts_as_training(folder: Path, tmp_path: Path) -> None:
    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "features of eval" in record.getMessage():
                time.sleep(1.5)

    handler, logger = Slow(), logging.getLogger(PROGRESS_LOGGER)
    logger.addHandler(handler)
    try:
        _train(folder, tmp_path, _config(folder, epochs=1))
    finally:
        logger.removeHandler(handler)

    assert read_history(tmp_path / "logs")[0].elapsed_s > 1.5


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weights": "balanced", "l2": 1e-3},
        {"augment": {"mixup_alpha": 0.2, "on_device": True}},
        {"early_stop": {"patience_epochs": 1}},
        {"precision": "bfloat16"},
        {"max_steps": 18, "eval_every_epochs": 2},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_last_layer_learns_with_every_kind_of_setting(
    folder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    _train(folder, tmp_path, _config(folder, **settings))

    rows = read_history(tmp_path / "logs")
    assert rows[-1].loss < rows[0].loss


def test_exported_model_answers_without_the_backbones_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    shutil.copy(folder / "own.keras", tmp_path / "mine" / "own.keras")
    config = _config(tmp_path / "mine")
    network = _train(folder, tmp_path / "work", config)
    shutil.rmtree(tmp_path / "mine")
    pictures = _pictures(folder, "eval.gz", config)

    network.export(tmp_path / "exported", verbose=False)

    reloaded = tf.saved_model.load(tmp_path / "exported")
    logits = reloaded.serve(pictures)
    np.testing.assert_allclose(logits, network(pictures), rtol=1e-4, atol=1e-5)
