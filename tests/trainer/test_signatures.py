"""The exported model: every way to ask it gives the answer that training would have given."""

from __future__ import annotations

import dataclasses
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from keras import layers
from PIL import Image
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from foundation.versions import BREEDS_FILE, MODEL_CARD_FILE, SAMPLES_DIR, WARMUP_FILE, read_about
from ingestion.toy_dogs.sample import write_sample
from tests.pictures import encoded
from tests.serving.model_server import running
from tests.trainer.examples import write_examples
from trainer.export.calibration import Calibration, calibrate
from trainer.export.export import export, write_samples
from trainer.export.last_features import FEATURES, LAST_MAP, LOGITS, with_features
from trainer.export.model_card import ModelFacts
from trainer.export.signatures import Servable, save_servable
from trainer.networks.published.softmax import SoftmaxConfig
from trainer.networks.registry import NETWORKS, build_network
from trainer.networks.residual import ResidualConfig
from trainer.networks.statistics import PictureStatistics
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import TransformConfig
from trainer.preprocessing.transform import load_stored, preprocessing_fn
from trainer.training.config import TrainerConfig
from trainer.training.history import Epoch
from trainer.training.input import Split

pytestmark = pytest.mark.slow

BREEDS = ("Chow", "Dhole", "Pug, black", "Whippet")
NETWORK = ResidualConfig(input_px=32, width=8, blocks=(1, 1))
CLOSE = {"rtol": 0, "atol": 1e-5}
SPEC = {
    IMAGE_KEY: tf.io.FixedLenFeature((1,), tf.string),
    LABEL_KEY: tf.io.FixedLenFeature((1,), tf.int64),
    BREED_KEY: tf.io.FixedLenFeature((1,), tf.string),
}


@dataclass(frozen=True)
class Exported:
    """An exported model and what training made of the same pictures."""

    path: Path
    pictures: list[bytes]
    stored: list[bytes]
    probabilities: np.ndarray
    features: np.ndarray

    @property
    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        return tf.saved_model.load(str(self.path)).signatures

    @property
    def examples(self) -> tf.Tensor:
        return tf.constant([_example(picture).SerializeToString() for picture in self.pictures])

    def best(self) -> tuple[list[list[bytes]], np.ndarray]:
        """The three most probable breeds of each picture, and their probabilities."""
        order = np.argsort(-self.probabilities, axis=1)[:, :3]
        names = [[BREEDS[label].encode() for label in row] for row in order]
        return names, np.take_along_axis(self.probabilities, order, axis=1)


@pytest.fixture(scope="module")
def pictures(photograph: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A toy dog of each breed, and a photograph in every format."""
    archive = write_sample(tmp_path_factory.mktemp("sample"), per_breed=1, size_px=80)
    with tarfile.open(archive) as tar:
        dogs = [tar.extractfile(member).read() for member in tar if member.isfile()]  # type: ignore[union-attr]
    assert len(dogs) == 6
    return dogs + [encoded(photograph, name) for name in ("JPEG", "PNG", "BMP", "GIF")]


@pytest.fixture(scope="module")
def transformed(
    pictures: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> tuple[tft.TFTransformOutput, list[bytes]]:
    """Transform's graph, and what it stored of the pictures."""
    folder = tmp_path_factory.mktemp("transform")
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    raw = [
        {IMAGE_KEY: [picture], LABEL_KEY: [0], BREED_KEY: [BREEDS[0].encode()]}
        for picture in pictures
    ]
    settings = {"image": NETWORK.image.model_dump(), "transform": TransformConfig().model_dump()}
    name = transformed_name(IMAGE_KEY)
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "beam")):
        data = (pipeline | beam.Create(raw, reshuffle=False), metadata)
        (rows, _), graph = data | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, settings)
        )
        _ = graph | tft_beam.WriteTransformFn(str(folder))
        _ = rows | beam.Map(lambda row: row[name]) | beam.io.WriteToTFRecord(str(folder / "stored"))
    metadata_io.write_metadata(metadata, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
    stored = tf.data.TFRecordDataset([str(file) for file in folder.glob("stored*")])
    return tft.TFTransformOutput(str(folder)), [each.numpy() for each in stored]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "mirrored"])
def exported(
    request: pytest.FixtureRequest,
    pictures: list[bytes],
    transformed: tuple[tft.TFTransformOutput, list[bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    transform, stored = transformed
    config = TrainerConfig(network=NETWORK, average_mirrored=request.param, top_k=3)
    keras.utils.set_random_seed(3)
    network = build_network(NETWORK, len(BREEDS))
    calibration = _export(network, transform, config, folder)

    loaded = np.stack([load_stored(tf.constant(each), NETWORK.image) for each in stored])
    both = [loaded, loaded[:, :, ::-1]] if request.param else [loaded]
    before_last = keras.Model(network.inputs, network.get_layer("features").output)
    return Exported(
        path=folder / "1",
        pictures=pictures,
        stored=stored,
        probabilities=np.mean(
            [tf.nn.softmax(network.predict(each) / calibration.temperature) for each in both],
            axis=0,
        ),
        features=np.mean([before_last.predict(each) for each in both], axis=0),
    )


def _export(
    network: keras.Model, transform: tft.TFTransformOutput, config: TrainerConfig, folder: Path
) -> Calibration:
    for name, counts in (("train", [9, 9, 0, 9]), ("eval", [1, 1, 1, 2])):
        write_examples(folder / f"{name}.gz", counts=counts, size_px=32, seed=1)
    write_examples(folder / "held-out.gz", counts=[9, 9, 0, 9], size_px=32, seed=2)
    train_split = Split.find([str(folder / "train.gz")])
    calibration = calibrate(network, train_split, Split.find([str(folder / "held-out.gz")]), config)
    assert calibration is not None
    measured = Epoch(7, 70, 3.5, 1.5, 0.25, 1.25, 0.75, 0.1)
    facts = ModelFacts(
        breeds=BREEDS,
        config=config,
        transform=TransformConfig(),
        train_split=train_split,
        eval_split=Split.find([str(folder / "eval.gz")]),
        history=[dataclasses.replace(measured, val_loss=None, val_accuracy=None), measured],
        parameters=network.count_params(),
        data="data-fingerprint",
        recipe="recipe-fingerprint",
        calibration=calibration,
    )
    export(network, transform, facts, folder / "1")
    return calibration


def _example(picture: bytes) -> tf.train.Example:
    example = tf.train.Example()
    example.features.feature[IMAGE_KEY].bytes_list.value.append(picture)
    example.features.feature[BREED_KEY].bytes_list.value.append(b"Chow")
    example.features.feature[LABEL_KEY].int64_list.value.append(2)
    return example


def test_every_signature_answers_as_training_would(exported: Exported) -> None:
    signatures, pictures = exported.signatures, tf.constant(exported.pictures)
    names, best = exported.best()

    evaluated = signatures["evaluate"](examples=exported.examples)
    served = signatures["serving_default"](pictures=pictures)
    classified = signatures["classify"](inputs=exported.examples)
    features = signatures["features"](pictures=pictures)

    np.testing.assert_allclose(evaluated["probabilities"], exported.probabilities, **CLOSE)
    np.testing.assert_allclose(served["probabilities"], best, **CLOSE)
    assert served["breeds"].numpy().tolist() == names
    np.testing.assert_allclose(classified["scores"], best, **CLOSE)
    assert classified["classes"].numpy().tolist() == names
    assert served["is_known"].shape == (len(exported.pictures),)
    assert served["is_known"].numpy().tolist() == evaluated["is_known"].numpy().tolist()
    np.testing.assert_allclose(features["features"], exported.features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("average_mirrored", [False, True], ids=["plain", "mirrored"])
def test_saliency_is_where_the_breed_is_seen(
    transformed: tuple[tft.TFTransformOutput, list[bytes]],
    tmp_path: Path,
    *,
    average_mirrored: bool,
) -> None:
    """Red speaks for a Chow and blue against it; blue alone speaks for a Dhole."""
    side = NETWORK.image.width_px
    inputs = keras.Input(NETWORK.image.shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(2, 1, activation="relu", name="conv")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.MaxPooling2D()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Dense(len(BREEDS), name="logits")(x))
    red_less_green, blue_less_green = [1.0, -1.0, 0.0], [0.0, -1.0, 1.0]
    kernel = np.transpose([red_less_green, blue_less_green])[None, None]
    network.get_layer("conv").set_weights([kernel, np.full(2, -0.2)])  # what JPEG makes of black
    network.get_layer("logits").set_weights(
        [np.array([[2.0, 0, 0, 0], [-1.0, 1.0, 0, 0]]), np.zeros(4)]
    )
    servable = Servable(
        network, transformed[0], BREEDS, NETWORK.image, 3, average_mirrored=average_mirrored
    )
    save_servable(servable, tmp_path)
    picture = Image.new("RGB", (2 * side, 2 * side))
    picture.paste((250, 0, 0), (0, 0, side // 2, side // 2))
    picture.paste((0, 0, 250), (3 * side // 2, 3 * side // 2, 2 * side, 2 * side))
    pictures = tf.constant([encoded(picture, "PNG")] * 3)
    signatures = tf.saved_model.load(str(tmp_path)).signatures

    looked = signatures["saliency"](pictures=pictures, labels=tf.constant([0, 1, 2], tf.int64))

    chow, dhole, pug = looked["maps"].numpy()
    assert chow.shape == (side, side)  # before it was pooled
    corner, opposite = (slice(0, side // 4),) * 2, (slice(-side // 4, None),) * 2
    for looked_at, where in ((chow, corner), (dhole, opposite)):
        assert looked_at.max() == pytest.approx(1)
        assert looked_at[where].sum() > 0.9 * looked_at.sum()
    assert chow[opposite].max() == 0
    assert pug.max() == 0  # nothing speaks for it
    features = signatures["features"](pictures=pictures)["features"]
    probabilities = tf.nn.softmax(features @ network.get_layer("logits").kernel)
    np.testing.assert_allclose(looked["probabilities"], probabilities, **CLOSE)


def test_network_without_convolution_has_no_saliency(
    transformed: tuple[tft.TFTransformOutput, list[bytes]], pictures: list[bytes], tmp_path: Path
) -> None:
    config = SoftmaxConfig(input_px=NETWORK.image.shape[:2], channels=3)
    network = build_network(config, len(BREEDS))

    save_servable(Servable(network, transformed[0], BREEDS, config.image, 3), tmp_path)

    signatures = tf.saved_model.load(str(tmp_path)).signatures
    assert "saliency" not in signatures
    assert signatures["serving_default"](pictures=tf.constant(pictures))["breeds"].shape[1] == 3


def test_transform_features_gives_what_transform_stored(exported: Exported) -> None:
    transformed = exported.signatures["transform_features"](examples=exported.examples)

    assert transformed[transformed_name(IMAGE_KEY)].numpy().tolist() == exported.stored
    assert set(transformed[transformed_name(LABEL_KEY)].numpy()) == {2}
    assert set(transformed[transformed_name(BREED_KEY)].numpy()) == {b"Chow"}


def test_model_server_answers_as_training_would(exported: Exported) -> None:
    names, best = exported.best()
    # Checked as older servers always do, which refuse Classify on a signature made for Predict.
    flags = ("--model_name=dogs", f"--model_base_path={exported.path.parent}")
    with running(*flags, "--enable_signature_method_name_check") as server:
        predict = PredictRequest()
        predict.model_spec.name = "dogs"
        predict.inputs["pictures"].CopyFrom(tf.make_tensor_proto(exported.pictures))
        predicted = server.predictions.Predict(predict, timeout=30).outputs
        classify = ClassificationRequest()
        classify.model_spec.name, classify.model_spec.signature_name = "dogs", "classify"
        classify.input.example_list.examples.extend(map(_example, exported.pictures))
        classified = server.predictions.Classify(classify, timeout=30).result.classifications
        saliency = PredictRequest(inputs=predict.inputs)
        saliency.model_spec.name, saliency.model_spec.signature_name = "dogs", "saliency"
        labels = exported.probabilities.argmax(axis=1)
        saliency.inputs["labels"].CopyFrom(tf.make_tensor_proto(labels, tf.int64))
        looked = server.predictions.Predict(saliency, timeout=30).outputs
        predict.inputs["pictures"].CopyFrom(tf.make_tensor_proto([b"not a picture"]))
        with pytest.raises(grpc.RpcError) as refused:
            server.predictions.Predict(predict, timeout=30)

    assert list(predicted["breeds"].string_val) == [each for row in names for each in row]
    np.testing.assert_allclose(tf.make_ndarray(predicted["probabilities"]), best, **CLOSE)
    assert [[each.label.encode() for each in row.classes] for row in classified] == names
    scores = [[each.score for each in row.classes] for row in classified]
    np.testing.assert_allclose(scores, best, **CLOSE)
    maps = exported.signatures["saliency"](
        pictures=tf.constant(exported.pictures), labels=tf.constant(labels, tf.int64)
    )["maps"]
    np.testing.assert_allclose(tf.make_ndarray(looked["maps"]), maps, rtol=0, atol=1e-3)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "neither a JPEG nor a PNG, GIF or BMP" in refused.value.details()


def test_model_brings_requests_to_warm_up_with(exported: Exported) -> None:
    file = exported.path / WARMUP_FILE
    logs = [PredictionLog.FromString(each.numpy()) for each in tf.data.TFRecordDataset(str(file))]

    *predicts, last = logs
    requests = [log.predict_log.request for log in predicts]
    batches = [tf.make_ndarray(request.inputs["pictures"]) for request in requests]
    assert [len(batch) for batch in batches] == [1, 2, 4, 8]
    assert len(set(batches[-1])) == 5  # of the five eval pictures that there are
    [example] = last.classify_log.request.input.example_list.examples
    answers = exported.signatures["serving_default"](pictures=tf.constant(batches[-1]))
    classified = exported.signatures["classify"](inputs=[example.SerializeToString()])
    assert answers["probabilities"].shape == (8, 3)
    assert classified["classes"].shape == (1, 3)
    assert file.stat().st_size < 1_000_000


def test_model_brings_its_breeds_samples_and_card(exported: Exported) -> None:
    path = exported.path
    card = (path / MODEL_CARD_FILE).read_text(encoding="utf-8")

    assert (path / BREEDS_FILE).read_text().splitlines() == list(BREEDS)
    assert read_about(path)["breeds"] == list(BREEDS)
    # The split has no picture of the third breed.
    samples = {file.name: Image.open(file).size for file in (path / SAMPLES_DIR).iterdir()}
    assert samples == dict.fromkeys(["0.jpg", "1.jpg", "3.jpg"], (32, 32))
    assert "data-fingerprint" in card
    assert "| Last epoch | 7 | 1.5000 | 0.2500 | 1.2500 | 0.7500 |" in card
    assert "| 3 | Whippet | 9 | 2 |" in card
    assert f"| TensorFlow | {tf.__version__} |" in card
    for signature in exported.signatures:
        assert f"`{signature}`" in card


def test_samples_of_large_pictures_are_small(tmp_path: Path) -> None:
    write_examples(tmp_path / "train.gz", counts=[1], size_px=300, seed=1)

    write_samples(Split.find([str(tmp_path / "train.gz")]), tmp_path / "samples")

    assert Image.open(tmp_path / "samples" / "0.jpg").size == (128, 128)


_CONV = {"conv": {"filters": 4, "kernel": 3, "stride": 1}}
_POOL = {"pool": {"window": 2, "stride": 2}}


def _networks() -> Iterator[tuple[str, dict[str, object]]]:
    small: dict[str, dict[str, object]] = {
        "alexnet": {"input_px": 67, "dense_units": 16},
        "vgg16": {"input_px": 32, "dense_units": 16},
        "layers": {"input_px": 16, "layers": [_CONV, _POOL, {"dense": 5}]},
        "transfer": {"backbone": "MobileNetV2", "weights": "none", "input_px": 64},
        "pet_cnn": {"input_px": 32},
        "custom": {"build": "tests.trainer.own_network:build"},
    }
    for name in NETWORKS:
        yield name, small.get(name, {})


def _two_branches(pixels: keras.KerasTensor) -> keras.KerasTensor:
    first = layers.Conv2D(4, 3)(pixels)
    pooled = [layers.GlobalMaxPooling2D()(each) for each in (first, layers.Conv2D(4, 3)(first))]
    return layers.Dense(5)(layers.Concatenate()(pooled))


def _pooled_last(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3)(pixels))


@pytest.mark.parametrize(
    ("build", "num_features", "has_map"), [(_two_branches, 8, False), (_pooled_last, 700, True)]
)
def test_networks_that_end_in_other_ways_have_features_and_maybe_a_map(
    build: Callable[[keras.KerasTensor], keras.KerasTensor], num_features: int, has_map: bool
) -> None:
    pixels = keras.Input((12, 16, 3))

    model, head = with_features(keras.Model(pixels, build(pixels)))

    outputs = model(np.zeros((1, 12, 16, 3), np.float32))
    assert (outputs[FEATURES].shape, outputs[LOGITS].shape) == ((1, num_features), (1, 5))
    assert (head is not None, LAST_MAP in outputs) == (has_map, has_map)


@pytest.mark.parametrize(("name", "options"), _networks(), ids=list(NETWORKS))
def test_last_layer_makes_the_logits_of_the_features(name: str, options: dict[str, object]) -> None:
    config = TrainerConfig.model_validate({"network": {"name": name, **options}}).network
    network = build_network(config, 5, PictureStatistics.neutral(config.image))
    pictures = np.random.default_rng(1).integers(0, 256, (2, *config.image.shape)).astype(np.uint8)

    model, head = with_features(network)
    outputs = model(pictures, training=False)

    features, logits, last = outputs[FEATURES], outputs[LOGITS], network.layers[-1]
    assert features.shape.rank == 2
    np.testing.assert_allclose(features @ last.kernel + last.bias, logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logits, network(pictures, training=False), rtol=1e-4, atol=1e-4)
    assert (head is None) == (name == "softmax")
    if head is not None:
        last_map = outputs[LAST_MAP]
        assert last_map.shape[1] > 1
        np.testing.assert_allclose(head(last_map, training=False), logits, rtol=1e-4, atol=1e-4)
