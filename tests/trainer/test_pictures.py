"""Pictures of a training: predictions, captions, hand-made filters, and all of them at its end."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from tests.trainer.drawn import (
    SHAPE,
    compile_network,
    covered_box,
    fit,
    labels_of,
    logged_images,
    small_network,
    softmax_network,
)
from trainer.pictures.evolution import DrawEvolution, Frames
from trainer.pictures.hand_made import hand_made_filters, lay_over
from trainer.pictures.predictions import RIGHT_COLOUR, WRONG_COLOUR, Guess, draw_predictions, guess
from trainer.pictures.sheet import Section, draw_section, load_font, wrap
from trainer.pictures.write import write_pictures
from trainer.training.config import PicturesConfig

_NO_BREAK = "\N{NO-BREAK SPACE}"
_GREEN, _LIME = (70, 200, 10), (71, 200, 10)  # as no letter's edge is


def _guess(predicted: str, true: str, colour: tuple[int, int, int] = _GREEN) -> Guess:
    return Guess(np.full((9, 12, 3), colour, np.uint8), predicted, true)


def test_titles_name_both_breeds_and_mark_right_and_wrong() -> None:
    assert _guess("Pug", "Pug").titles() == ([f"✓{_NO_BREAK}Pug"], [f"is{_NO_BREAK}Pug"])
    predicted, true = _guess("Pug", "German_short-haired_pointer").titles()
    assert predicted == [f"✗{_NO_BREAK}Pug"]
    assert true == [f"is{_NO_BREAK}German short-", "haired pointer"]


def test_grid_frames_right_ones_and_wrong_ones_in_their_colours() -> None:
    guesses = [_guess("Pug", "Pug", _GREEN)] * 12 + [_guess("Pug", "Beagle", _LIME)] * 2

    grid = draw_predictions(guesses, step=1234)

    right, wrong = covered_box(grid, _GREEN), covered_box(grid, _LIME)
    assert right[2] - right[0] > 0.9 * grid.width  # a whole row of twelve
    assert wrong[2] - wrong[0] < 0.2 * grid.width  # two in the next
    assert wrong[1] > right[3]
    assert grid.getpixel((right[0] - 1, right[1] - 1)) == RIGHT_COLOUR
    assert grid.getpixel((wrong[0] - 1, wrong[1] - 1)) == WRONG_COLOUR


def test_guesses_are_traceable_to_picture_label_and_network() -> None:
    inputs = keras.Input(SHAPE, dtype="uint8")
    corner = keras.layers.Cropping2D(((0, 12), (0, 10)))(keras.layers.Rescaling(1)(inputs))
    network = keras.Model(inputs, keras.layers.Flatten()(corner))  # logits: the corner's colours
    pictures = np.zeros((5, *SHAPE), np.uint8)
    pictures[[0, 1, 2, 3, 4], 0, 0, [2, 0, 1, 1, 0]] = [50, 60, 70, 80, 90]
    labels = np.eye(3, dtype=np.float32)[[2, 1, 1, 0, 0]]
    batches = tf.data.Dataset.from_tensor_slices((pictures, labels)).batch(3)

    guesses = guess(network, batches, ["red", "green", "blue"], num_pictures=4)

    assert [(each.predicted, each.true, each.right) for each in guesses] == [
        ("blue", "blue", True),
        ("red", "green", False),
        ("green", "green", True),
        ("green", "red", False),
    ]
    assert [int(each.picture.max()) for each in guesses] == [50, 60, 70, 80]


@pytest.mark.parametrize("width_px", [30, 57, 104])
@pytest.mark.parametrize(
    "text",
    ["Pug", "Nova Scotia Duck Tolling Retriever", "Soft-coated terrier", "Kuvasz" * 6, "Žatecký"],
)
def test_wrapped_lines_fit_and_leave_nothing_out_without_saying_so(
    text: str, width_px: int
) -> None:
    font = load_font(12)

    lines = wrap(text, font, width_px, max_lines=3)

    assert len(lines) <= 3
    assert all(font.getlength(line) <= width_px for line in lines)
    if not lines[-1].endswith("…"):
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    else:
        assert len(lines) == 3


@pytest.mark.parametrize("name", list(hand_made_filters()))
def test_filter_laid_over_a_picture_agrees_with_scipy(name: str) -> None:
    picture = np.random.default_rng(8).uniform(0, 255, (23, 17)).astype(np.float32)
    weights = hand_made_filters()[name]

    result = lay_over(picture, weights)

    expected = ndimage.correlate(picture, weights, mode="mirror")
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", list(hand_made_filters()))
def test_hand_made_filter_answers_what_it_is_named_after_most(name: str) -> None:
    y, x = np.mgrid[:21, :21]
    scene = {
        "horizontal edge": y < 10,
        "vertical edge": x < 10,
        "diagonal edge": x + y < 20,
        "blob": np.hypot(x - 10, y - 10) < 2,
    }[name].astype(np.float32)

    responses = {
        other: np.abs(lay_over(scene, weights)).max()
        for other, weights in hand_made_filters().items()
    }

    assert max(responses, key=responses.__getitem__) == name


@pytest.mark.parametrize("name", list(hand_made_filters()))
def test_hand_made_filter_is_7_by_7_and_gives_nothing_on_an_even_area(name: str) -> None:
    weights = hand_made_filters()[name]

    assert weights.shape == (7, 7)
    assert np.abs(lay_over(np.full((9, 9), 99, np.float32), weights)).max() < 1e-3


def test_end_of_training_leaves_every_picture_in_files_and_in_the_train_run(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    Frames(tmp_path / "frames").save(Image.new("RGB", (40, 30)), 0)
    batches = tf.data.Dataset.from_tensor_slices((pictures, labels_of(len(pictures)))).batch(4)

    paths = write_pictures(
        small_network(), batches, ["Pug", "Beagle", "Husky", "Akita"],
        tmp_path / "frames", tmp_path / "out", tmp_path / "logs", 15, PicturesConfig(),
    )  # fmt: skip

    names = ["filters", "feature_maps", "predictions", "hand_made_filters"]
    assert [path.name for path in paths] == [*(f"{name}.png" for name in names), "evolution.gif"]
    images = logged_images(tmp_path / "logs" / "train")
    assert set(images) == {(f"final/{name}", 15) for name in names}
    for name in names:
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), images[f"final/{name}", 15])


def test_network_without_a_convolution_gets_the_pictures_that_make_sense(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    network, grey = softmax_network(), PicturesConfig()
    callback = DrawEvolution(network, pictures[0], grey, tmp_path / "logs", tmp_path / "frames")
    compile_network(network)
    fit(network, pictures, callback, epochs=1)
    batches = tf.data.Dataset.from_tensor_slices((pictures[:2], labels_of(2))).batch(4)

    paths = write_pictures(
        network, batches, ["Pug", "Beagle", "Husky", "Akita"],
        tmp_path / "frames", tmp_path / "out", tmp_path / "logs", 5, grey,
    )  # fmt: skip

    assert {path.name for path in paths} == {
        "filters.png", "predictions.png", "hand_made_filters.png", "evolution.gif",
    }  # fmt: skip


def test_long_thin_pictures_do_not_make_a_section_as_long() -> None:
    thin = Section("name", "caption", [np.full((900, 90), 9, np.uint8)] * 3)

    drawn = draw_section(thin)

    left, top, right, bottom = covered_box(drawn, (9, 9, 9))
    assert bottom - top < 0.25 * drawn.width
    assert bottom <= drawn.height
    assert (right - left) / 3 < drawn.width / 8
