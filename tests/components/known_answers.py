"""An eval split whose every answer is known, and models that give just these answers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.evaluator.component import EvaluatorExecutor
from components.evaluator.config import eval_config
from components.evaluator.settings import EvaluatorConfig
from trainer.export.signature_names import DEFAULT_SIGNATURE, EVAL_SIGNATURE, IS_KNOWN

BREEDS = ("Basenji", "Borzoi", "Husky", "Pug", "Saluki", "Whippet", "Xolo")
_SURE, _TORN, _BLIND = "sure", "torn", "blind"
_SURE_FROM = 0.8
_SERVED_BEFORE = "before"


class Known(NamedTuple):
    """One picture, and what is answered."""

    truth: int
    named: int
    kind: str
    grey: bool
    side_px: int
    named_before: int
    """What the served model answers."""


def _right(truth: int) -> Known:
    return Known(truth, truth, _SURE, grey=False, side_px=150, named_before=truth)


PICTURES = (
    *[_right(0)] * 3,
    Known(0, 1, _TORN, grey=False, side_px=150, named_before=0),
    *[_right(1)] * 2,
    Known(1, 0, _BLIND, grey=True, side_px=150, named_before=1),
    *[_right(2)] * 2,
    Known(3, 2, _TORN, grey=True, side_px=100, named_before=2),
    Known(3, 6, _TORN, grey=True, side_px=100, named_before=2),
    *[_right(4)] * 4,
    Known(4, 5, _TORN, grey=False, side_px=150, named_before=4),
    *[_right(5)] * 3,
    Known(5, 4, _TORN, grey=False, side_px=150, named_before=5),
)
"""20 pictures, 14 of them named rightly; no eval picture of a Xolo, and nothing named Pug. Torn
between two breeds, the truth is the second; of one answer it is the last."""


def _probabilities(truth: int, named: int, kind: str) -> list[float]:
    """0.85 for what is known surely; else 0.55, the truth at 0.25 or not thought of at all."""
    first, second = {_SURE: (0.85, None), _TORN: (0.55, 0.25), _BLIND: (0.55, 0.0)}[kind]
    given = {named: first} if second is None else {named: first, truth: second}
    rest = (1 - sum(given.values())) / (len(BREEDS) - len(given))
    return [given.get(label, rest) for label in range(len(BREEDS))]


def _picture(known: Known, seed: int) -> bytes:
    colour = (120, 120, 120) if known.grey else (200, 90, 20)
    noise = np.random.default_rng(seed).integers(0, 20, (known.side_px, known.side_px, 1))
    file = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def _example(place: int, known: Known) -> tf.train.Example:
    breed = BREEDS[known.truth]
    before = _SURE if known.named_before == known.truth else _TORN
    values: Mapping[str, Any] = {
        "image/encoded": _picture(known, place),
        "image/filename": f"kennel/{breed}/{place:02}.jpg".encode(),
        "image/class/text": breed.encode(),
        "image/class/label": known.truth,
        "image/height": known.side_px,
        "image/width": known.side_px,
        "now": _probabilities(known.truth, known.named, known.kind),
        _SERVED_BEFORE: _probabilities(known.truth, known.named_before, before),
    }
    example = tf.train.Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.extend(value)
    return example


class _Oracle(tf.Module):
    """A model that reads its answer out of the example."""

    def __init__(self, feature: str) -> None:
        super().__init__()
        self._feature = feature

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {self._feature: tf.io.FixedLenFeature([len(BREEDS)], tf.float32)}
        answer = {"probabilities": tf.io.parse_example(examples, spec)[self._feature]}
        if self._feature == _SERVED_BEFORE:  # exported by a version that did not say what it knows
            return answer
        return {**answer, IS_KNOWN: tf.reduce_max(answer["probabilities"], axis=1) > _SURE_FROM}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")])
    def serve(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Names every coloured picture a Saluki, and every grey one a Pug."""
        coloured = tf.map_fn(_is_coloured, pictures, fn_output_signature=tf.bool)
        return {"breeds": tf.where(coloured, "Saluki", "Pug")[:, None]}


def _is_coloured(encoded: tf.Tensor) -> tf.Tensor:
    picture = tf.cast(tf.io.decode_jpeg(encoded, channels=3), tf.float32)
    red, _, blue = tf.unstack(tf.reduce_mean(picture, axis=(0, 1)))
    return red > blue + 20


def evaluate_known(folder: Path, *, has_baseline: bool, **bounds: Any) -> tuple[Path, bool]:
    """Sends the pictures through the real Evaluator.

    Args:
        folder: for everything that is written.
        has_baseline: compare with a served model, which knows all breeds but the Pug.
        **bounds: settings of the Evaluator.

    Returns:
        Folder of the evaluation, and whether the model was blessed.
    """
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    examples.split_names = artifact_utils.encode_split_names(["eval"])
    split = Path(artifact_utils.get_split_uri([examples], "eval"))
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
        for place, known in enumerate(PICTURES):
            writer.write(_example(place, known).SerializeToString())
    inputs = {"examples": [examples], "model": [_model(folder / "model", "now")]}
    if has_baseline:
        inputs["baseline_model"] = [_model(folder / "baseline", _SERVED_BEFORE)]
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    for output in (evaluation, blessing):
        Path(output.uri).mkdir()
    config = EvaluatorConfig(**bounds)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=[], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    EvaluatorExecutor(context).Do(
        inputs,
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": proto_utils.proto_to_json(eval_config(config)),
            "example_splits": "null",
            "report_only": int(config.report_only),
            "robustness": config.robustness.model_dump_json(),
        },
    )
    return Path(evaluation.uri), (Path(blessing.uri) / "BLESSED").exists()


def _model(folder: Path, feature: str) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.uri = str(folder)
    oracle = _Oracle(feature)
    tf.saved_model.save(
        oracle,
        path_utils.serving_model_dir(model.uri),
        signatures={EVAL_SIGNATURE: oracle.evaluate, DEFAULT_SIGNATURE: oracle.serve},
    )
    return model
