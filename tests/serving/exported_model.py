"""A small model with weights nobody trained, exported as the project exports its models."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import keras
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from trainer.export.signatures import Servable, save_servable
from trainer.networks.registry import build_network
from trainer.networks.residual import ResidualConfig
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY, LABEL_KEY
from trainer.preprocessing.image import TransformConfig
from trainer.preprocessing.transform import preprocessing_fn

BREEDS = ("Chow", "Dhole", "Pug", "Whippet")
_SPEC = {
    IMAGE_KEY: tf.io.FixedLenFeature((1,), tf.string),
    LABEL_KEY: tf.io.FixedLenFeature((1,), tf.int64),
    BREED_KEY: tf.io.FixedLenFeature((1,), tf.string),
}


class Exporter:
    """Writes versions of one network that differ in their weights.

    Args:
        folder: scratch space; incoming versions lie there until they are whole.
        picture: encoded, to run Transform on.
        network: the network's size.
    """

    def __init__(
        self,
        folder: Path,
        picture: bytes,
        network: ResidualConfig = ResidualConfig(input_px=32, width=8, blocks=(1, 1)),  # noqa: B008
    ) -> None:
        self._folder = folder
        self._network = network
        self._transform = _transform(folder / "transform", picture, network)

    def write(self, base_path: Path, version: int, seed: int) -> Path:
        """Exports a version; its folder appears by rename, as a push does it."""
        keras.utils.set_random_seed(seed)
        network = build_network(self._network, len(BREEDS))
        incoming = self._folder / f"incoming-{version}"
        save_servable(
            Servable(network, self._transform, BREEDS, self._network.image, top_k=3), incoming
        )
        base_path.mkdir(exist_ok=True)
        return incoming.rename(base_path / str(version))


def _transform(folder: Path, picture: bytes, network: ResidualConfig) -> tft.TFTransformOutput:
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(_SPEC))
    row = {IMAGE_KEY: [picture], LABEL_KEY: [0], BREED_KEY: [BREEDS[0].encode()]}
    settings = {"image": network.image.model_dump(), "transform": TransformConfig().model_dump()}
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "beam")):
        data = (pipeline | beam.Create([row]), metadata)
        graph = data | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, settings))
        _ = graph | tft_beam.WriteTransformFn(str(folder))
    metadata_io.write_metadata(metadata, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
    return tft.TFTransformOutput(str(folder))
