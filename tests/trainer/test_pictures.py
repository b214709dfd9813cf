"""The pictures of a training: what is drawn where, when, and what is left in files and events."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from trainer.pictures.evolution import DrawEvolution, Frames
from trainer.pictures.feature_maps import FeatureMaps, choose_layers, map_tiles
from trainer.pictures.filters import filter_section, filter_tiles
from trainer.pictures.hand_made import hand_made_filters, lay_over
from trainer.pictures.predictions import (
    RIGHT_COLOUR,
    WRONG_COLOUR,
    Guess,
    draw_predictions,
    guess,
)
from trainer.pictures.sheet import Section, draw_section, load_font, wrap
from trainer.pictures.write import write_pictures
from trainer.training.config import PicturesConfig

_SHAPE = (13, 11, 3)
_NUM_CLASSES = 4
_STEPS_PER_EPOCH, _BATCH = 5, 3
_NO_BREAK = "\N{NO-BREAK SPACE}"


@pytest.fixture
def pictures() -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (_STEPS_PER_EPOCH * _BATCH, *_SHAPE), dtype=np.uint8)


def _labels(number: int) -> npt.NDArray[np.float32]:
    return np.eye(_NUM_CLASSES, dtype=np.float32)[np.arange(number) % _NUM_CLASSES]


def _network(learning_rate: float = 0.1) -> keras.Model:
    """Two convolutions, with normalisation and dropout that a drawing could disturb."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input(_SHAPE, dtype="uint8", name="pictures")
    x = keras.layers.Rescaling(1 / 255, name="normalise")(inputs)
    x = keras.layers.Conv2D(5, (3, 2), name="conv1")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Conv2D(6, 3, name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    outputs = keras.layers.Dense(_NUM_CLASSES, name="logits")(x)
    network = keras.Model(inputs, outputs)
    _compile(network, learning_rate)
    return network


def _compile(network: keras.Model, learning_rate: float = 0.1) -> None:
    network.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )


def _nested_network() -> keras.Model:
    """A backbone with its own graph behind a sequential model, as transfer learning has it."""
    inner = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(inner)
    x = keras.layers.ReLU(name="relu")(x)
    backbone = keras.Model(inner, keras.layers.Conv2D(7, 3, name="top")(x), name="backbone")
    inputs = keras.Input(_SHAPE, dtype="uint8", name="pictures")
    prepare = keras.Sequential(
        [keras.layers.Rescaling(2, name="double"), keras.layers.ReLU(name="keep")], name="prepare"
    )
    x = backbone(prepare(inputs), training=False)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(inputs, keras.layers.Dense(_NUM_CLASSES, name="logits")(x))


def _softmax_network() -> keras.Model:
    inputs = keras.Input(_SHAPE, dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(_NUM_CLASSES, name="logits")(x))


def _fit(
    network: keras.Model, pictures: npt.NDArray[np.uint8], callback: DrawEvolution, epochs: int
) -> None:
    _fit_with(network, pictures, [callback], epochs)


def _fit_with(
    network: keras.Model,
    pictures: npt.NDArray[np.uint8],
    callbacks: list[keras.callbacks.Callback],
    epochs: int,
) -> None:
    network.fit(
        pictures, _labels(len(pictures)), batch_size=_BATCH, epochs=epochs, shuffle=False,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip


def _images(log_dir: Path) -> dict[tuple[str, int], npt.NDArray[np.uint8]]:
    """Reads every image that TensorBoard would find, by tag and step."""
    found = {}
    files = [str(path) for path in log_dir.rglob("*.tfevents.*")]
    for record in tf.data.TFRecordDataset(files):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "images":
                encoded = value.tensor.string_val[2]  # behind width and height
                found[value.tag, event.step] = tf.io.decode_png(encoded).numpy()
    return found


def _box(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Returns what a colour covers: left, top, right, bottom; right and bottom are beyond it."""
    y, x = np.nonzero((np.asarray(picture) == colour).all(axis=-1))
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def test_filter_grid_shows_a_known_filter_at_its_place() -> None:
    network = _network()
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
    left, top, right, bottom = _box(drawn, (255, 128, 128))
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
    network = _softmax_network()
    kernel = np.zeros((np.prod(_SHAPE), _NUM_CLASSES), np.float32)
    kernel[np.ravel_multi_index((7, 4, 2), _SHAPE), 1] = 3.0
    network.get_layer("logits").set_weights([kernel, np.zeros(_NUM_CLASSES)])

    section = filter_section(network)

    assert section is not None
    assert len(section.tiles) == _NUM_CLASSES
    assert np.argwhere(section.tiles[1] == 255).tolist() == [[7, 4, 2]]


def test_dense_layer_over_something_else_than_pixels_is_left_out() -> None:
    inputs = keras.Input(_SHAPE)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)

    assert filter_section(keras.Model(inputs, keras.layers.Dense(2)(pooled))) is None


@pytest.mark.parametrize("layers", [(), ("stem", "top")])
def test_feature_maps_inside_a_nested_backbone_are_what_its_layers_give(
    layers: tuple[str, ...], pictures: npt.NDArray[np.uint8]
) -> None:
    network = _nested_network()
    backbone = network.get_layer("backbone")

    stem, top = FeatureMaps(network, pictures[0], layers).sections()

    seen = pictures[:1].astype(np.float32) * 2
    by_hand = np.asarray(backbone.get_layer("stem")(seen))
    assert (stem.name, top.name) == ("feature_maps/stem", "feature_maps/top")
    np.testing.assert_array_equal(stem.tiles, map_tiles(by_hand[0]))
    by_hand = np.asarray(backbone.get_layer("top")(np.maximum(by_hand, 0)))
    np.testing.assert_array_equal(top.tiles, map_tiles(by_hand[0]))


def test_feature_maps_follow_the_weights(pictures: npt.NDArray[np.uint8]) -> None:
    network = _network()
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
        choose_layers(_network(), ("conv1", "convv2"))


def test_dense_layer_can_be_drawn_too(pictures: npt.NDArray[np.uint8]) -> None:
    [section] = FeatureMaps(_network(), pictures[0], ("features",)).sections()

    assert section.caption == "features: 6 values, row by row"
    assert np.asarray(section.tiles).shape == (1, 2, 3)


@pytest.mark.parametrize(("every_steps", "steps"), [(4, [0, 4, 8, 12]), (None, [0, 5, 10, 15])])
def test_frames_appear_at_their_steps_in_files_and_in_the_train_run(
    every_steps: int | None,
    steps: list[int],
    pictures: npt.NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    config = PicturesConfig(every_steps=every_steps)
    network = _network()
    callback = DrawEvolution(network, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    _fit(network, pictures, callback, epochs=3)

    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [
        f"step-{step:08d}.png" for step in steps
    ]
    tags = ("filters/conv1", "feature_maps/conv1", "feature_maps/conv2")
    assert set(_images(tmp_path / "logs")) == {(tag, step) for tag in tags for step in steps}
    assert {path.parent.name for path in (tmp_path / "logs").rglob("*.tfevents.*")} == {"train"}


def test_frame_shows_its_step(pictures: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    network = _network(learning_rate=0.0)
    config = PicturesConfig(layers=("conv1",))  # before normalisation: nothing changes
    callback = DrawEvolution(network, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    _fit(network, pictures, callback, epochs=1)

    first, last = (Image.open(tmp_path / "frames" / f"step-0000000{step}.png") for step in (0, 5))
    y, _ = np.nonzero((np.asarray(first) != np.asarray(last)).any(axis=-1))
    assert len(y) > 0
    assert y.max() < 40  # the title alone


def test_resumed_training_goes_on_with_its_frames_and_replaces_later_ones(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    config, network = PicturesConfig(every_steps=2), _network()
    places = (config, tmp_path / "logs", tmp_path / "frames")
    _fit(network, pictures, DrawEvolution(network, pictures[0], *places), epochs=2)
    frames = Frames(tmp_path / "frames")
    assert frames.steps() == [0, 2, 4, 6, 8, 10]
    kept, stale = frames.path(4).read_bytes(), frames.path(6).read_bytes()

    resumed = DrawEvolution(network, pictures[0], *places, first_step=5)
    resumed.on_train_begin()
    assert frames.steps() == [0, 2, 4]
    resumed.on_train_end()
    _fit(network, pictures, resumed, epochs=1)

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
    plain, drawn = _network(), _network()
    config = PicturesConfig(every_steps=1)
    callback = DrawEvolution(drawn, pictures[0], config, tmp_path / "logs", tmp_path / "frames")

    _fit_with(plain, pictures, [], epochs=2)
    keras.utils.set_random_seed(4)
    _fit(drawn, pictures, callback, epochs=2)

    for expected, weights in zip(plain.get_weights(), drawn.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_another_model_with_the_same_layers_can_be_fitted_under_a_strategy(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        network = _network()
        before = keras.layers.Conv2D(3, 1, trainable=False, name="before")  # is not to be drawn
        around = keras.Sequential([keras.Input(_SHAPE), before, network])
        _compile(around)
    callback = DrawEvolution(
        network, pictures[0], PicturesConfig(), tmp_path / "logs", tmp_path / "frames"
    )

    _fit(around, pictures, callback, epochs=1)

    images = _images(tmp_path / "logs")
    assert (images["filters/conv1", 0] != images["filters/conv1", 5]).any()


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

    right, wrong = _box(grid, _GREEN), _box(grid, _LIME)
    assert right[2] - right[0] > 0.9 * grid.width  # a whole row of twelve
    assert wrong[2] - wrong[0] < 0.2 * grid.width  # two in the next
    assert wrong[1] > right[3]
    assert grid.getpixel((right[0] - 1, right[1] - 1)) == RIGHT_COLOUR
    assert grid.getpixel((wrong[0] - 1, wrong[1] - 1)) == WRONG_COLOUR


def test_guesses_are_traceable_to_picture_label_and_network() -> None:
    inputs = keras.Input(_SHAPE, dtype="uint8")
    corner = keras.layers.Cropping2D(((0, 12), (0, 10)))(keras.layers.Rescaling(1)(inputs))
    network = keras.Model(inputs, keras.layers.Flatten()(corner))  # logits: the corner's colours
    pictures = np.zeros((5, *_SHAPE), np.uint8)
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
    batches = tf.data.Dataset.from_tensor_slices((pictures, _labels(len(pictures)))).batch(4)

    paths = write_pictures(
        _network(), batches, ["Pug", "Beagle", "Husky", "Akita"],
        tmp_path / "frames", tmp_path / "out", tmp_path / "logs", 15, PicturesConfig(),
    )  # fmt: skip

    names = ["filters", "feature_maps", "predictions", "hand_made_filters"]
    assert [path.name for path in paths] == [*(f"{name}.png" for name in names), "evolution.gif"]
    images = _images(tmp_path / "logs" / "train")
    assert set(images) == {(f"final/{name}", 15) for name in names}
    for name in names:
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), images[f"final/{name}", 15])


def test_network_without_a_convolution_gets_the_pictures_that_make_sense(
    pictures: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    network, grey = _softmax_network(), PicturesConfig()
    callback = DrawEvolution(network, pictures[0], grey, tmp_path / "logs", tmp_path / "frames")
    _compile(network)
    _fit(network, pictures, callback, epochs=1)
    batches = tf.data.Dataset.from_tensor_slices((pictures[:2], _labels(2))).batch(4)

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

    left, top, right, bottom = _box(drawn, (9, 9, 9))
    assert bottom - top < 0.25 * drawn.width
    assert bottom <= drawn.height
    assert (right - left) / 3 < drawn.width / 8
