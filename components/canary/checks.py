"""Requests that the canary sends to a model server, and checks of the responses."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from components.canary.server import MODEL_NAME, ChildServer, TooSlowError
from trainer.export.signature_names import DEFAULT_SIGNATURE

_TOLERANCE = 1e-5  # of a probability: batches of other sizes are summed in another order
_DYING_S = 1.0
_AN_ANSWER = "an answer"
_MIN_TIMED = 50
_BOMB_SIDE_PX = 30_000

Answer = tuple[list[bytes], NDArray[np.float32]]
"""Top-k breeds and their probabilities, the most probable first."""


def own_answers(model_path: str, pictures: Sequence[bytes]) -> list[Answer]:
    """Runs the SavedModel in this process on encoded images."""
    with tf.device("/CPU:0"):  # as the server does
        signature = tf.saved_model.load(model_path).signatures[DEFAULT_SIGNATURE]
        answer = signature(pictures=tf.constant(pictures, tf.string))
    rows = zip(answer["breeds"].numpy().tolist(), answer["probabilities"].numpy(), strict=True)
    return list(rows)


def check_answers(
    server: ChildServer, pictures: Sequence[bytes], expected: Sequence[Answer]
) -> Iterator[str]:
    """Sends each image by itself; yields a message where answers differ from the model's own.

    Raises:
        TooSlowError: an answer did not come in time.
    """
    differing, worst = 0, 0.0
    for picture, own in zip(pictures, expected, strict=True):
        try:
            response = _ask(server, tf.make_tensor_proto([picture], tf.string))
        except grpc.RpcError as error:
            yield f"the model server answers {_in_words(error)} to an eval picture"
            return
        difference = _difference(_answer(response), own)
        differing += difference > _TOLERANCE
        worst = max(worst, difference)
    if differing:
        yield (
            f"the model server's answers to {differing} of {len(pictures)} eval pictures differ "
            f"from the model's own by up to {worst:.6f}, more than the {_TOLERANCE:.5f} allowed"
        )


def check_hostile(server: ChildServer) -> Iterator[str]:
    """Sends invalid inputs; yields a message for each not refused with INVALID_ARGUMENT."""
    for name, tensor, may_be_picture in _hostile():
        try:
            _predict(server, tensor)
            answered = _AN_ANSWER
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                continue
            answered = _in_words(error)
        if server.has_died(wait_s=_DYING_S if answered != _AN_ANSWER else 0):
            yield f"the model server died of {name} (code {server.process.returncode})"
            return
        if not (may_be_picture and answered == _AN_ANSWER):
            yield f"the model server gives {answered} to {name} where INVALID_ARGUMENT is right"


def latencies_ms(server: ChildServer, pictures: Sequence[bytes]) -> list[float]:
    """Returns at least fifty latencies of single-image requests, sent one after the other.

    The server must have answered before, so that no first-call cost is measured.

    Raises:
        TooSlowError: an answer did not come in time.
        grpc.RpcError: a call fails.
    """
    tensors = [tf.make_tensor_proto([picture], tf.string) for picture in pictures]
    times: list[float] = []
    while len(times) < max(_MIN_TIMED, len(tensors)):
        started_at = time.perf_counter()
        _ask(server, tensors[len(times) % len(tensors)])
        times.append((time.perf_counter() - started_at) * 1000)
    return times


def _hostile() -> Iterator[tuple[str, tf.compat.v1.TensorProto, bool]]:
    """Yields a name, a tensor, and whether it may be decodable after all."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    jpeg: bytes = tf.io.encode_jpeg(noise).numpy()
    flipped = bytearray(jpeg)
    for position in range(len(jpeg) // 3, len(jpeg), 97):
        flipped[position] ^= 0x10
    size_at = jpeg.index(b"\xff\xc0") + 5  # behind the mark, the length and the bits of a sample
    size = struct.pack(">HH", _BOMB_SIDE_PX, _BOMB_SIDE_PX)
    contents = {
        "an empty picture": b"",
        "text": b"This is no picture of a dog.",
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "a JPEG that declares 900 megapixels": jpeg[:size_at] + size + jpeg[size_at + 4 :],
    }
    for name, content in contents.items():
        yield name, tf.make_tensor_proto([content], tf.string), False
    yield "a JPEG of flipped bits", tf.make_tensor_proto([bytes(flipped)], tf.string), True
    yield "numbers", tf.make_tensor_proto([0.5], tf.float32), False
    yield "a tensor of two dimensions", tf.make_tensor_proto([[jpeg, jpeg]], tf.string), False


def _ask(server: ChildServer, picture: tf.compat.v1.TensorProto) -> PredictResponse:
    """Sends an eval image; on time out, raises `TooSlowError` instead of `grpc.RpcError`."""
    try:
        return _predict(server, picture)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        raise TooSlowError(
            f"an eval picture was not answered within {server.call_timeout_s:g} s",
            "canary.call_timeout_s",
        ) from None


def _predict(server: ChildServer, pictures: tf.compat.v1.TensorProto) -> PredictResponse:
    request = PredictRequest()
    request.model_spec.name = MODEL_NAME
    request.model_spec.signature_name = DEFAULT_SIGNATURE
    request.inputs["pictures"].CopyFrom(pictures)
    return PredictionServiceStub(server.channel).Predict(request, timeout=server.call_timeout_s)


def _answer(response: PredictResponse) -> Answer:
    breeds, probabilities = (
        tf.make_ndarray(response.outputs[name])[0] for name in ("breeds", "probabilities")
    )
    return breeds.tolist(), probabilities


def _difference(answer: Answer, own: Answer) -> float:
    """Returns the largest difference of a probability; equally probable breeds may swap places."""
    (breeds, probabilities), (own_breeds, own_probabilities) = answer, own
    if probabilities.shape != own_probabilities.shape:
        return 1.0
    by_breed = dict(zip(own_breeds, own_probabilities.tolist(), strict=True))
    least = min(by_breed.values())
    by_name = (
        abs(probability - by_breed.get(breed, least))
        for breed, probability in zip(breeds, probabilities.tolist(), strict=True)
    )
    return max(*by_name, float(np.abs(probabilities - own_probabilities).max()))


def _in_words(error: grpc.RpcError) -> str:
    return f"{error.code().name} ({error.details()})"
