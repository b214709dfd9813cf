"""The evolution of filters and feature maps while a network trains."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainer.drawn import SHAPE, compile_network, fit, fit_with, logged_images, small_network
from trainer.pictures.evolution import DrawEvolution, Frames
from trainer.training.config import PicturesConfig

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("every_steps", "steps"), [(4, [0, 4, 8, 12]), (None, [0, 5, 10, 15])])
def test_frames_appear_at_their_steps_in_files_and_in_the_train_run(
    every_steps: int | None,
    steps: list[int],
    pictures: npt.NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    config = PicturesConfig(every_steps=every_steps)
    network = small_network()
    callback = DrawEvolution(network, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    fit(network, pictures, callback, epochs=3)

    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [
        f"step-{step:08d}.png" for step in steps
    ]
    tags = ("filters/conv1", "feature_maps/conv1", "feature_maps/conv2")
    assert set(logged_images(tmp_path / "logs")) == {(tag, step) for tag in tags for step in steps}
    assert {path.parent.name for path in (tmp_path / "logs").rglob("*.tfevents.*")} == {"train"}


def test_frame_shows_its_step(pictures: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    network = small_network(learning_rate=0.0)
    config = PicturesConfig(layers=("conv1",))  # before normalisation: nothing changes
    callback = DrawEvolution(network, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    fit(network, pictures, callback, epochs=1)

    first, last = (Image.open(tmp_path / "frames" / f"step-0000000{step}.png") for step in (0, 5))
    y, _ = np.nonzero((np.asarray(first) != np.asarray(last)).any(axis=-1))
    assert len(y) > 0
    assert y.max() < 40  # the title alone


def test_resumed_training_goes_on_with_its_frames_and_replaces_later_ones(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    config, network = PicturesConfig(every_steps=2), small_network()
    places = (config, tmp_path / "logs", tmp_path / "frames")
    fit(network, pictures, DrawEvolution(network, pictures[0], *places), epochs=2)
    frames = Frames(tmp_path / "frames")
    assert frames.steps() == [0, 2, 4, 6, 8, 10]
    kept, stale = frames.path(4).read_bytes(), frames.path(6).read_bytes()

    resumed = DrawEvolution(network, pictures[0], *places, first_step=5)
    resumed.on_train_begin()
    assert frames.steps() == [0, 2, 4]
    resumed.on_train_end()
    fit(network, pictures, resumed, epochs=1)

    assert frames.steps() == [0, 2, 4, 6, 8, 10]
    assert frames.path(4).read_bytes() == kept
    assert frames.path(6).read_bytes() != stale


def test_gif_has_every_frame_and_loops(tmp_path: Path) -> None:
    frames = Frames(tmp_path / "frames")
    for step in (0, 9, 100):
        frames.save(Image.new("RGB", (40, 30), (step, 0, 0)), step)

    assert frames.write_gif(tmp_path / "evolution.gif")

    with Image.open(tmp_path / "evolution.gif") as gif:
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        reds = []
        for index in range(3):
            gif.seek(index)
            reds.append(gif.convert("RGB").getpixel((5, 5))[0])
    assert reds == pytest.approx([0, 9, 100], abs=4)


def test_gif_of_no_frames_is_not_written(tmp_path: Path) -> None:
    assert not Frames(tmp_path / "none").write_gif(tmp_path / "evolution.gif")
    assert not (tmp_path / "evolution.gif").exists()


def test_drawing_changes_nothing_about_the_training(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    plain, drawn = small_network(), small_network()
    config = PicturesConfig(every_steps=1)
    callback = DrawEvolution(drawn, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    fit_with(plain, pictures, [], epochs=2)
    keras.utils.set_random_seed(4)
    fit(drawn, pictures, callback, epochs=2)

    for expected, weights in zip(plain.get_weights(), drawn.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_another_model_with_the_same_layers_can_be_fitted_under_a_strategy(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        network = small_network()
        before = keras.layers.Conv2D(3, 1, trainable=False, name="before")  # is not to be drawn
        around = keras.Sequential([keras.Input(SHAPE), before, network])
        compile_network(around)
    callback = DrawEvolution(
        network, pictures[0], PicturesConfig(), tmp_path / "logs", tmp_path / "frames"
    )

    fit(around, pictures, callback, epochs=1)

    images = logged_images(tmp_path / "logs")
    assert (images["filters/conv1", 0] != images["filters/conv1", 5]).any()
