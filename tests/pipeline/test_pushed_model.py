"""The model that the real pipeline has pushed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ingestion.dataset import Dataset
from ingestion.records import decode_example, read_records
from pipeline.local.run_pipeline import FinishedRun
from tests.pictures import encoded
from tests.pipeline.conftest import FirstRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(first_run: FirstRun) -> tuple[FinishedRun, str]:
    return first_run.finished, first_run.said


def test_accuracy_is_that_of_the_pushed_model_over_the_eval_records(
    first: tuple[FinishedRun, str], records: Dataset
) -> None:
    outcome = first[0].outcome
    model = tf.saved_model.load(str(outcome.pushed_path))
    eval_records = [record for path in records.shards("eval") for record in read_records(path)]
    labels = [decode_example(record)["image/class/label"] for record in eval_records]

    answer = model.signatures["evaluate"](examples=tf.constant(eval_records))

    hits = np.argmax(answer["probabilities"], axis=1) == np.array(labels).ravel()
    assert outcome.num_eval_examples == len(eval_records)
    assert outcome.figures["accuracy"] == pytest.approx(hits.mean(), abs=1e-6)


def test_serving_and_evaluation_agree_on_the_same_picture(
    first: tuple[FinishedRun, str], records: Dataset
) -> None:
    model = tf.saved_model.load(str(first[0].outcome.pushed_path))
    record = next(iter(read_records(records.shards("eval")[0])))
    picture = decode_example(record)["image/encoded"]

    evaluated = model.signatures["evaluate"](examples=tf.constant([record]))["probabilities"]
    served = model.signatures["serving_default"](pictures=tf.constant([picture]))

    order = np.argsort(-evaluated.numpy()[0])[:5]
    assert [name.decode() for name in served["breeds"].numpy()[0]] == [
        records.labels[index] for index in order
    ]
    np.testing.assert_allclose(
        served["probabilities"].numpy()[0], evaluated.numpy()[0][order], atol=1e-6
    )


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_serving_takes_every_common_picture_format(
    first: tuple[FinishedRun, str], photograph: Image.Image, picture_format: str
) -> None:
    model = tf.saved_model.load(str(first[0].outcome.pushed_path))
    contents = [encoded(photograph, picture_format)] * 2

    served = model.signatures["serving_default"](pictures=tf.constant(contents))

    assert served["breeds"].shape == (2, 5)
    assert (served["probabilities"].numpy().sum(axis=1) <= 1 + 1e-5).all()


def test_model_says_what_it_was_made_of(first: tuple[FinishedRun, str], records: Dataset) -> None:
    pushed = first[0].outcome.pushed_path
    assert pushed is not None
    about = json.loads((pushed / "assets.extra" / "dogbreed.json").read_text())

    assert tuple(about["breeds"]) == records.labels
    assert about["trainer"]["epochs"] == 20
