"""A model server as a child process, and small models for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

_START_S = 120
v1 = tf.compat.v1


@dataclass(frozen=True)
class Server:
    """A running server and its stubs."""

    process: subprocess.Popen[str]
    channel: grpc.Channel
    port: int
    rest_port: int

    @property
    def predictions(self) -> PredictionServiceStub:
        return PredictionServiceStub(self.channel)

    @property
    def models(self) -> ModelServiceStub:
        return ModelServiceStub(self.channel)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    with socket.create_server(("", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def running(
    *flags: str, credentials: grpc.ChannelCredentials | None = None, rest: bool = False
) -> Iterator[Server]:
    """Starts a server with `flags` and stops it in the end."""
    port, rest_port = free_port(), free_port() if rest else 0
    process = start(f"--port={port}", f"--rest_api_port={rest_port}", *flags)
    options = [
        ("grpc.max_send_message_length", -1),
        # The first attempts find nobody there; the pauses after them would grow to minutes.
        ("grpc.max_reconnect_backoff_ms", 200),
        ("grpc.initial_reconnect_backoff_ms", 100),
    ]
    target = f"localhost:{port}"
    channel = (
        grpc.insecure_channel(target, options)
        if credentials is None
        else grpc.secure_channel(target, credentials, options)
    )
    try:
        _wait_until_serving(process, channel, port)
        yield Server(process, channel, port, rest_port)
    finally:
        channel.close()
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def start(*flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "serving.model_server", *flags],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _wait_until_serving(process: subprocess.Popen[str], channel: grpc.Channel, port: int) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1])
        try:
            # Before gRPC tries: with TLS, a channel that was refused at first may find its next
            # handshakes stuck, each for twenty seconds.
            socket.create_connection(("localhost", port), 2).close()
            health.Check(health_pb2.HealthCheckRequest(), timeout=2)
            return
        except (grpc.RpcError, OSError):
            time.sleep(0.2)
    raise AssertionError("the server does not answer")


def write_half_plus(base_path: Path, version: int, addend: float = 2.0) -> Path:
    """Writes a version that answers `x / 2 + addend`, with a signature for each method.

    Version folders appear by rename, as a push does it. Beside the arithmetic there is `spin`: it
    multiplies matrices `n` times, so that a test can keep the server busy.
    """
    path = base_path / str(version)
    incoming = base_path / f".incoming-{version}"
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], name="examples")
        parsed = v1.io.parse_example(examples, {"x": v1.io.FixedLenFeature([1], tf.float32)})
        x = v1.placeholder_with_default(parsed["x"], [None, 1], name="x2")
        # As TensorFlow 2 exports it: each signature has an input of its own.
        own = v1.placeholder(tf.string, [None], name="own_examples")
        own_x = v1.io.parse_example(own, {"x": v1.io.FixedLenFeature([1], tf.float32)})["x"]
        half, plus = v1.Variable(0.5, name="half"), v1.Variable(float(addend), name="plus")
        y = half * x + plus
        flat = v1.placeholder(tf.float32, None, name="x")
        flat_y = half * flat + plus
        n = v1.placeholder(tf.int32, [None], name="n")
        _, spun = tf.while_loop(
            lambda i, _: i < tf.reduce_max(n),
            lambda i, m: (i + 1, tf.linalg.matmul(m, m) / 400),
            (0, tf.ones((400, 400))),
        )
        words = v1.placeholder(tf.string, [None], name="words")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(incoming))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "serving_default": _signature("predict", {"x": flat}, {"y": flat_y, "z": -flat_y}),
                "regress_x_to_y": _signature("regress", {"inputs": examples}, {"outputs": y}),
                "own_regress_x_to_y": _signature(
                    "regress", {"inputs": own}, {"outputs": half * own_x + plus}
                ),
                "column": _signature("predict", {"x": x}, {"y": y}),
                "classify_x_to_y": _signature("classify", {"inputs": examples}, {"scores": y}),
                "spin": _signature("predict", {"n": n}, {"n": n + tf.cast(spun[0, 0], tf.int32)}),
                "echo": _signature("predict", {"words": words}, {"words": words}),
            },
        )
        builder.save()
    incoming.rename(path)
    return path


def _signature(method: str, inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]) -> object:
    return v1.saved_model.build_signature_def(
        *(
            {name: v1.saved_model.build_tensor_info(tensor) for name, tensor in tensors.items()}
            for tensors in (inputs, outputs)
        ),
        method_name=f"tensorflow/serving/{method}",
    )
