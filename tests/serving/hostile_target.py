"""A model server under attack, and whether it still answers as before."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from tests.serving.model_server import Server

TIMEOUT_S = 60
MIB = 1 << 20
CLOSE = {"rtol": 0, "atol": 1e-5}
Answer = tuple[list[bytes], list[float]]


@dataclass(frozen=True)
class Target:
    """A server under attack, a good picture and the answer to it."""

    server: Server
    base_path: Path
    good: bytes
    right: Answer
    http: httpx.Client

    def check(self) -> None:
        """A good request still gets the very same answer."""
        assert_same(answer_of(self.server.predictions.Predict(ask(self.good), TIMEOUT_S)), self)

    @property
    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


def ask(*pictures: bytes) -> PredictRequest:
    request = PredictRequest()
    request.model_spec.name = "default"
    request.inputs["pictures"].CopyFrom(tf.make_tensor_proto(np.array(pictures, object)))
    return request


def answer_of(response: PredictResponse) -> Answer:
    outputs = response.outputs
    return list(outputs["breeds"].string_val), list(outputs["probabilities"].float_val)


def assert_same(answer: Answer, target: Target) -> None:
    assert answer[0] == target.right[0]
    np.testing.assert_allclose(answer[1], target.right[1], **CLOSE)


def refusal(call: Callable[..., object], request: object, **options: object) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, **{"timeout": TIMEOUT_S, **options})
    return caught.value.code().name


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Writes a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
HEADERS = frame(1, 4, 1, b"".join(literal(*pair) for pair in (
    (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"),
    (b":path", b"/tensorflow.serving.PredictionService/Predict"),
    (b"te", b"trailers"), (b"content-type", b"application/grpc"),
)))  # fmt: skip
HALF_A_CALL = PREFACE + HEADERS + frame(0, 0, 1, b"\0" + struct.pack(">I", MIB) + bytes(1000))
HALF_AN_HTTP_CALL = (
    b"POST /v1/models/default:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
)
