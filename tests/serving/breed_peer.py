"""A model server for tests of its clients: real gRPC, and breeds that are the three base colours.

Its messages are the official ones of tensorflow-serving-api, so that what a client sends is read by
somebody else's code.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import numpy as np
from PIL import Image
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

BREEDS = ("Red Setter", "Greenland Dog", "Blue Lacy")
MODEL = "dogbreed"
VERSION = 7


@dataclass
class BreedPeer(prediction_service_pb2_grpc.PredictionServiceServicer,
                model_service_pb2_grpc.ModelServiceServicer):  # fmt: skip
    """Answers by a picture's mean colour; does as it is told otherwise, and notes what it saw."""

    address: str = ""
    unavailable: int = 0
    """How many of the next calls it answers UNAVAILABLE."""
    delay_s: float = 0.0
    """How long each answer takes."""
    loaded_after: int = 0
    """How many of the next questions for the model's status it answers LOADING."""
    says_what_it_knows: bool = False
    """Whether it does as calibrated models do, of which this one does not know what is grey."""
    metadata: list[dict[str, str]] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """How often it was called, and the most calls "at once"."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Predict(  # noqa: N802 - the service's name
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        with self._lock:
            self.calls["all"] += 1
            self.calls["now"] += 1
            self.calls["at once"] = max(self.calls["now"], self.calls["at once"])
            refuse = self.unavailable > 0
            self.unavailable -= refuse
        self.metadata.append(dict(context.invocation_metadata()))
        try:
            if refuse:
                context.abort(grpc.StatusCode.UNAVAILABLE, "The queue is full")
            time.sleep(self.delay_s)
            return self._answer(request, context)
        finally:
            with self._lock:
                self.calls["now"] -= 1

    def GetModelStatus(  # noqa: N802 - the service's name
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        self._check_model(request, context)
        response = get_model_status_pb2.GetModelStatusResponse()
        states = get_model_status_pb2.ModelVersionStatus.State
        if self.loaded_after > 0:
            self.loaded_after -= 1
            response.model_version_status.add(version=VERSION, state=states.LOADING)
            return response
        response.model_version_status.add(version=VERSION - 1, state=states.UNLOADING)
        response.model_version_status.add(version=VERSION, state=states.AVAILABLE)
        return response

    def _answer(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        import tensorflow as tf

        self._check_model(request, context)
        pictures = request.inputs["pictures"].string_val
        self.batch_sizes.append(len(pictures))
        probabilities = np.stack([self._probabilities(data, context) for data in pictures])
        order = np.argsort(-probabilities, axis=1, kind="stable")
        response = predict_pb2.PredictResponse()
        response.model_spec.name = MODEL
        response.model_spec.version.value = VERSION
        response.model_spec.signature_name = request.model_spec.signature_name
        response.outputs["breeds"].CopyFrom(tf.make_tensor_proto(np.array(BREEDS)[order]))
        response.outputs["probabilities"].CopyFrom(
            tf.make_tensor_proto(np.take_along_axis(probabilities, order, axis=1))
        )
        if self.says_what_it_knows:
            is_known = np.ptp(probabilities, axis=1) > 0
            response.outputs["is_known"].CopyFrom(tf.make_tensor_proto(is_known))
        return response

    def _probabilities(self, data: bytes, context: grpc.ServicerContext) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "BMP")) as picture:
                top_left = np.asarray(picture.convert("RGB"), np.float32)[0, 0] + 1
        except Exception:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "Unknown image file format. One of JPEG, PNG, GIF, BMP required.\n"
                "\t [[{{node map/while/DecodeImage}}]]",
            )
        return top_left / top_left.sum()

    def _check_model(self, request: object, context: grpc.ServicerContext) -> None:
        spec = request.model_spec
        if spec.version_label:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        if spec.name != MODEL or spec.version.value not in (0, VERSION):
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )


@contextmanager
def serving_breeds(
    address: str = "localhost:0",
    credentials: grpc.ServerCredentials | None = None,
    options: Sequence[tuple[str, int]] = (),
) -> Iterator[BreedPeer]:
    """Serves until the context ends; the peer knows its address."""
    server = grpc.server(
        ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1), *options]
    )
    peer = BreedPeer()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(peer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(peer, server)
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    peer.address = address.replace(":0", f":{port}")
    server.start()
    try:
        yield peer
    finally:
        server.stop(grace=None).wait()
