"""The pictures of a report: which are chosen, which are found, and where the network looked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from components.evaluator.results.values import Answer, Confusion
from components.report.pictures.eval_pictures import find_examples, show_pictures
from components.report.pictures.galleries import choose_galleries, choose_pairs
from foundation.versions import ABOUT_FILE
from tests.pictures import encoded
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY
from trainer.training.config import TrainerConfig

BREEDS = ("Chow", "Dhole", "Pug")
SIDE_PX = 32
RED, BLUE = (200, 0, 0), (0, 0, 200)


def _answer(name: str, breed: str, *probabilities: float) -> Answer:
    order = sorted(range(len(BREEDS)), key=lambda label: -probabilities[label])
    return Answer(
        filename=name,
        breed=breed,
        guesses=tuple((BREEDS[label], probabilities[label]) for label in order),
        truth_probability=probabilities[BREEDS.index(breed)],
        baseline_guess=None,
    )


def test_galleries_show_what_they_say() -> None:
    answers = [
        _answer("sure", "Chow", 0.9, 0.05, 0.05),
        _answer("surprised", "Chow", 0.04, 0.95, 0.01),
        _answer("wrong", "Dhole", 0.7, 0.2, 0.1),
        _answer("torn", "Pug", 0.3, 0.34, 0.36),
        *(_answer(f"pug {n:02}", "Pug", 0.05, 0.05, 0.8) for n in range(20)),
        *(_answer(f"taken for a chow {n:02}", "Pug", 0.6, 0.3, 0.1 - n / 1000) for n in range(20)),
    ]

    galleries = {each.title: each for each in choose_galleries(answers[::-1])}

    names = {
        title: [each.filename for each in gallery.answers] for title, gallery in galleries.items()
    }
    assert names["Surest and right"] == ["sure", "pug 00", "pug 01"]  # at most two of a breed
    assert names["Surest and wrong"] == [
        "surprised", "wrong", "taken for a chow 00", "taken for a chow 01"
    ]  # fmt: skip
    assert names["Worst"] == ["taken for a chow 19", "taken for a chow 18"]  # none shown twice
    assert names["Undecided"][0] == "torn"
    assert [each.title for each in choose_galleries(answers[:1])] == [
        "Surest and right", "Undecided"
    ]  # fmt: skip


def test_pairs_are_the_most_frequent_with_their_surest_pictures() -> None:
    answers = [
        *(_answer(f"p{n}", "Pug", 0.5 + n / 10, 0.3 - n / 10, 0.2) for n in range(4)),
        _answer("d", "Dhole", 0.6, 0.3, 0.1),
        _answer("right", "Dhole", 0.1, 0.8, 0.1),
    ]
    confusion = Confusion(BREEDS, ((0, 0, 0), (1, 1, 0), (4, 0, 1)), (0, 1, 2))

    pug, dhole = choose_pairs(confusion, answers)

    assert (pug.truth, pug.named, pug.count, pug.share) == ("Pug", "Chow", 4, 0.8)
    assert [each.filename for each in pug.answers] == ["p3", "p2", "p1"]
    assert (dhole.truth, dhole.named, dhole.count, dhole.share) == ("Dhole", "Chow", 1, 0.5)


def _example(picture: bytes, breed: str, name: str = "") -> bytes:
    example = tf.train.Example()
    features = example.features.feature
    features[IMAGE_KEY].bytes_list.value.append(picture)
    features[BREED_KEY].bytes_list.value.append(breed.encode())
    if name:
        features["image/filename"].bytes_list.value.append(name.encode())
    return example.SerializeToString()


def _write_split(folder: Path, examples: Sequence[bytes]) -> Path:
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
        for example in examples:
            writer.write(example)
    return folder


def _corners(top_left: tuple[int, int, int], bottom_right: tuple[int, int, int]) -> bytes:
    picture = Image.new("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
    picture.paste(top_left, (0, 0, SIDE_PX // 2, SIDE_PX // 2))
    picture.paste(bottom_right, (3 * SIDE_PX // 2, 3 * SIDE_PX // 2, 2 * SIDE_PX, 2 * SIDE_PX))
    return encoded(picture, "PNG")


class _ColourModel(tf.Module):
    """Names a Chow for red, which counts twice, and a Dhole for blue; what else there is, a Pug."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {IMAGE_KEY: tf.io.FixedLenFeature((), tf.string)})
        return {"probabilities": self._probabilities(self._load(parsed[IMAGE_KEY]))}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.string, name="pictures"),
            tf.TensorSpec((None,), tf.int64, name="labels"),
        ]
    )
    def saliency(self, pictures: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        loaded = self._load(pictures)
        maps = tf.gather(loaded, 2 * labels, axis=3, batch_dims=1)  # red for Chow, blue for Dhole
        return {"maps": maps / 200, "probabilities": self._probabilities(loaded)}

    def _load(self, pictures: tf.Tensor) -> tf.Tensor:
        def load(picture: tf.Tensor) -> tf.Tensor:
            decoded = tf.io.decode_image(picture, channels=3, expand_animations=False)
            return tf.image.resize(decoded, (SIDE_PX, SIDE_PX))

        return tf.map_fn(load, pictures, fn_output_signature=tf.float32)

    def _probabilities(self, loaded: tf.Tensor) -> tf.Tensor:
        red, _, blue = tf.unstack(tf.reduce_mean(loaded, axis=(1, 2)), axis=1)
        return tf.nn.softmax(tf.stack([2 * red, blue, tf.zeros_like(red)], axis=1))


def _exported(path: Path, *signatures: str) -> Any:
    model = _ColourModel()
    tf.saved_model.save(model, str(path), {name: getattr(model, name) for name in signatures})
    return tf.saved_model.load(str(path))


def _ask(model: Any, examples: Sequence[bytes]) -> np.ndarray:
    return model.signatures["evaluate"](tf.constant(list(examples)))["probabilities"].numpy()


def test_pictures_of_one_name_are_told_apart_by_their_answers(tmp_path: Path) -> None:
    model = _exported(tmp_path / "model", "evaluate")
    examples = [_example(_corners(*each), "Chow", "dog.png") for each in ((RED, RED), (BLUE, BLUE))]
    split = _write_split(tmp_path / "split", [*examples, _example(b"", "Pug", "dog.png")])
    truths = _ask(model, examples)[:, 0]
    answers = [
        Answer("dog.png", "Chow", (("Chow", float(truth)),), float(truth), None)
        for truth in (truths[1], truths[0], 0.123)
    ]

    found = find_examples(split, answers, BREEDS, lambda some: _ask(model, some))

    assert found == {answers[0]: examples[1], answers[1]: examples[0]}


def test_shown_pictures_are_small_and_the_worst_are_explained(tmp_path: Path) -> None:
    model_path = tmp_path / "model"
    model = _exported(model_path, "evaluate", "saliency")
    _exported(tmp_path / "without", "evaluate")
    (model_path / ABOUT_FILE).parent.mkdir()
    (model_path / ABOUT_FILE).write_text(
        f'{{"trainer": {TrainerConfig().model_dump_json()}, "transform": {{}}}}'
    )
    examples = [
        _example(_corners(RED, BLUE), "Chow", "right.png"),
        _example(_corners(BLUE, RED), "Dhole", "wrong.png"),
    ]
    split = _write_split(tmp_path / "split", examples)
    answers = [
        _answer(name, breed, *map(float, row))
        for row, name, breed in zip(
            _ask(model, examples),
            ("right.png", "wrong.png"),
            ("Chow", "Dhole"),
            strict=True,
        )
    ]
    confusion = Confusion(BREEDS, ((1, 0, 0), (1, 0, 0), (0, 0, 0)), (0, 1, 2))

    [pair], galleries = show_pictures(answers, confusion, split, model_path)
    of_another = [_answer("wrong.png", "Dhole", 0.6, 0.3, 0.1)]
    _, unexplained = show_pictures(of_another, confusion, split, model_path)
    _, without = show_pictures(answers, confusion, split, tmp_path / "without")

    right, wrong = galleries[:2]
    assert [picture.answer.filename for picture in pair.pictures] == ["wrong.png"]
    assert pair.pictures[0].saliency is None
    assert right.pictures[0].saliency is None
    [picture] = wrong.pictures
    size = 2 * SIDE_PX, 2 * SIDE_PX
    assert Image.open(io.BytesIO(picture.jpeg)).size == size
    bright = np.asarray(Image.open(io.BytesIO(picture.saliency or b"")).convert("L"))
    assert bright.shape == size
    assert bright[-8:, -8:].mean() > bright[:8, :8].mean() + 50  # it looked at the red
    assert "Grad-CAM" in wrong.meaning
    # Answers that are not this model's are not explained with it.
    assert unexplained[0].pictures[0].saliency is None
    assert "is not shown: the network gives probabilities that are up to" in unexplained[0].meaning
    assert without[1].pictures[0].saliency is None
    assert "is not shown: the model has no signature 'saliency'" in without[1].meaning
