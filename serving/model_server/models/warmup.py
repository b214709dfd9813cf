"""Replays a model's warm-up requests.

TensorFlow builds and optimises a graph at its first run, for each set of outputs; callers should
not wait for that. See https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

import logging
import threading

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from foundation.versions import WARMUP_FILE
from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.inference.examples import (
    classify_tensors,
    multi_tensors,
    regress_tensors,
    serialized_examples,
)
from serving.model_server.inference.predict import predict_call
from serving.model_server.models.servable import Call, Servable, signature_name

logger = logging.getLogger(__name__)

_MAX_RECORDS = 1000


def warm_up(servable: Servable, iterations: int, stopping: threading.Event) -> int:
    """Runs each warm-up request of a version `iterations` times; returns their number.

    Once `stopping` is set, no further request is run.

    Raises:
        ServingError: the file is damaged, has more than 1,000 requests, or one of them fails; or
            the server stops meanwhile.
    """
    file = servable.path / WARMUP_FILE
    if not file.is_file():
        return 0
    count = 0
    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(file)):
            count += 1
            if count > _MAX_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {file}"
                )
            call = _call(PredictionLog.FromString(record), servable)
            for _ in range(iterations):
                if stopping.is_set():
                    raise ServingError(grpc.StatusCode.CANCELLED, "The server is stopping.")
                servable.run(call)
    except (tf.errors.OpError, DecodeError) as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"{error}. Please verify your warmup data is in TFRecord format.",
        ) from error
    return count


def _call(log: PredictionLog, servable: Servable) -> Call:
    kind = log.WhichOneof("log_type")
    signatures = servable.signatures
    if kind == "predict_log":
        return predict_call(log.predict_log.request, signatures, check_method=False)[0]
    if kind == "multi_inference_log":
        request = log.multi_inference_log.request
        tensors = multi_tensors(request, signatures, check_method=False)
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        find = classify_tensors if kind == "classify_log" else regress_tensors
        name = signature_name(request.model_spec)
        if name not in signatures:
            raise invalid_argument(f"No signature was found with the name: {name}")
        tensors = find(signatures[name], check_method=False)
    else:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
        )
    input_names, output_names = tensors
    examples = serialized_examples(request.input)
    return Call(tuple((name, examples) for name in input_names), tuple(output_names))
