"""Requests that warm a model up before anyone waits for it.

TensorFlow optimises a graph when it first runs, which takes much longer than any later call. A
model server therefore runs these before it serves the version:
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog

from trainer.export.signatures import CLASSIFY_SIGNATURE, DEFAULT_SIGNATURE
from trainer.preprocessing.features import IMAGE_KEY

BATCH_SIZES = (1, 2, 4, 8)
"""Pictures in each Predict request."""


def write_warmup(pictures: Sequence[bytes], path: Path) -> None:
    """Writes a Predict request for each of `BATCH_SIZES`, and one Classify request.

    The requests name no model: whatever name a server serves this one by, it runs them.

    Args:
        pictures: encoded; at least as many as the largest batch.
        path: the TFRecord file to write.
    """
    logs = [
        PredictionLog(
            predict_log=PredictLog(
                request=PredictRequest(
                    model_spec=ModelSpec(signature_name=DEFAULT_SIGNATURE),
                    inputs={"pictures": tf.make_tensor_proto(pictures[:size], tf.string)},
                )
            )
        )
        for size in BATCH_SIZES
    ]
    classify = ClassificationRequest(model_spec=ModelSpec(signature_name=CLASSIFY_SIGNATURE))
    example = classify.input.example_list.examples.add()
    example.features.feature[IMAGE_KEY].bytes_list.value.append(pictures[0])
    logs.append(PredictionLog(classify_log=ClassifyLog(request=classify)))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))
