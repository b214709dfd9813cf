"""What a model knows, and how sure it may be."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw

from ingestion.toy_dogs.sample import write_sample
from tests.trainer.own_backbone import write_backbone
from trainer.export.calibration import Calibration, calibrate, fit_temperature, see
from trainer.export.last_features import with_features
from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import TransformConfig
from trainer.preprocessing.transform import fit_picture, load_stored, store
from trainer.training.config import TrainerConfig
from trainer.training.input import Split, pictures_in_order
from trainer.training.train import train

PX = 64


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (1, 4000, 5))
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(5, p=each) for each in shares])

    assert fit_temperature((logits * 3).astype(np.float32), labels) == pytest.approx(3, rel=0.1)


def test_temperature_of_few_right_answers_is_no_certainty() -> None:
    logits = np.eye(3, dtype=np.float32)[None, [0, 1, 2, 0, 1, 2, 0, 1, 2]]

    temperature = fit_temperature(logits, np.array([0, 1, 2] * 3))

    first = 1 / (1 + 2 * np.exp(-1 / temperature))
    assert 0.8 < first < 0.95  # nine of nine were right, of which one in eleven is doubted


@pytest.mark.slow
@pytest.mark.parametrize("network", ["residual", "transfer"])
def test_horse_noise_and_blank_page_are_not_known_and_dogs_are(
    network: str, tmp_path: Path
) -> None:
    archive = write_sample(tmp_path, per_breed=50)
    with tarfile.open(archive) as tar:
        dogs = [
            (tar.extractfile(member).read(), member.name.split("/")[1])  # type: ignore[union-attr]
            for member in tar
            if member.isfile()
        ]
    breeds = sorted({breed for _, breed in dogs})
    numbered = [(data, breeds.index(breed)) for data, breed in dogs]
    for name, part in (("eval.gz", numbered[::5]), ("train.gz", [
        each for place, each in enumerate(numbered) if place % 5
    ])):  # fmt: skip
        _write(tmp_path / name, part)
    settings: dict[str, object] = {"name": network, "input_px": PX}
    if network == "transfer":
        write_backbone(tmp_path / "own.keras", px=PX)
        settings |= {"backbone": str(tmp_path / "own.keras"), "frozen_fraction": 1}
    config = TrainerConfig.model_validate(
        {"network": settings, "epochs": 6, "calibration_share": 0.15}
    )
    train_split, held_out = Split.find([str(tmp_path / "train.gz")]).hold_out(0.15, 0)
    keras.utils.set_random_seed(0)
    model = train(
        config,
        train_split,
        Split.find([str(tmp_path / "eval.gz")]),
        num_classes=len(breeds),
        work_dir=tmp_path / "work",
    )

    calibration = calibrate(model, train_split, held_out, config)

    assert calibration is not None
    rng = np.random.default_rng(2)
    others = [
        _horse(),
        Image.fromarray(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)),
        Image.new("RGB", (200, 300), "white"),
    ]
    fitted = tf.stack([_fitted(np.asarray(each)) for each in others])
    assert _known(model, calibration, fitted).tolist() == [False] * 3
    eval_split = Split.find([str(tmp_path / "eval.gz")])
    [(pictures, _)] = pictures_in_order(eval_split, config.network.image, 100)
    assert _known(model, calibration, pictures).mean() >= 0.9


def _known(model: keras.Model, calibration: Calibration, pictures: tf.Tensor) -> np.ndarray:
    network, _ = with_features(model)
    seen = see(lambda each: network(each, training=False), pictures, mirrored=False)
    return calibration.is_known(seen).numpy()


def _fitted(picture: np.ndarray) -> tf.Tensor:
    image = TrainerConfig().network.image
    return load_stored(
        store(fit_picture(tf.constant(picture), image, TransformConfig()), TransformConfig()), image
    )


def _write(path: Path, pictures: Sequence[tuple[bytes, int]]) -> None:
    image, transform = TrainerConfig().network.image, TransformConfig()
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for data, label in pictures:
            pixels = np.asarray(Image.open(io.BytesIO(data)))
            stored = store(fit_picture(tf.constant(pixels), image, transform), transform).numpy()
            example = tf.train.Example()
            feature = example.features.feature
            feature[transformed_name(IMAGE_KEY)].bytes_list.value.append(stored)
            feature[transformed_name(LABEL_KEY)].int64_list.value.append(label)
            writer.write(example.SerializeToString())


def _horse() -> Image.Image:
    """Draws a brown horse on a white page."""
    picture = Image.new("RGB", (200, 200), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 75, 150, 130), fill="saddlebrown")
    for x in (52, 66, 122, 136):
        draw.rectangle((x, 115, x + 9, 185), fill="saddlebrown")
    draw.polygon(((120, 85), (148, 105), (172, 50), (156, 34)), fill="saddlebrown")
    draw.polygon(((152, 28), (176, 36), (196, 68), (186, 76), (160, 56)), fill="saddlebrown")
    draw.polygon(((118, 84), (156, 30), (148, 26), (108, 78)), fill="black")
    draw.polygon(((44, 90), (26, 100), (22, 144), (32, 148), (50, 104)), fill="black")
    draw.ellipse((166, 40, 171, 45), fill="black")
    return picture
