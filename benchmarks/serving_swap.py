"""Versions pushed one after another under load: failed calls, wrong answers, latency and memory.

Exports versions of one network that differ in their weights, starts the model server on the first
and pushes the others by rename, each as soon as the one before it is gone, while clients call
without pause. Every answer is compared with what that version answers in this process.

Usage: python -m benchmarks.serving_swap [--versions 20] [--clients 8] [--input-px 96] [--width 32]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from rich.console import Console
from rich.table import Table
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from tests.pictures import encoded
from tests.serving.exported_model import Exporter
from tests.serving.model_server import Server, running
from trainer.networks.residual import ResidualConfig

_TIMEOUT_S = 60
_BATCHING = Path(__file__).parents[1] / "serving" / "config" / "batching.config"
_ATOL = 1e-5
_MIB = 1 << 20


class Load:
    """Clients that call without pause, and what became of their calls."""

    def __init__(self, request: PredictRequest, expected: dict[int, np.ndarray]) -> None:
        self._request = request
        self._expected = expected
        self._done = threading.Event()
        self.failures: list[str] = []
        self.answered: dict[int, int] = {}
        self.wrong = 0
        self.latencies_ms: list[float] = []
        self._lock = threading.Lock()

    @contextmanager
    def on(self, server: Server, clients: int) -> Iterator[None]:
        """Calls as long as the context lasts."""
        threads = [threading.Thread(target=self._call, args=[server]) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def _call(self, server: Server) -> None:
        predict = server.predictions.Predict
        while not self._done.is_set():
            started = time.perf_counter()
            try:
                answer = predict(self._request, _TIMEOUT_S)
            except grpc.RpcError as error:
                self.failures.append(f"{error.code().name}: {error.details()}")
                continue
            elapsed_ms = 1000 * (time.perf_counter() - started)
            version = answer.model_spec.version.value
            probabilities = np.array(answer.outputs["probabilities"].float_val)
            right = np.allclose(probabilities, self._expected[version], rtol=0, atol=_ATOL)
            with self._lock:
                self.latencies_ms.append(elapsed_ms)
                self.answered[version] = self.answered.get(version, 0) + 1
                self.wrong += not right


def main() -> None:
    """Pushes, measures and prints; ends with 1 where a call failed or was answered wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--versions", type=int, default=20, help="pushed under load")
    parser.add_argument("--clients", type=int, default=8, help="that call at once")
    parser.add_argument("--input-px", type=int, default=96, help="side of a picture")
    parser.add_argument("--width", type=int, default=32, help="filters of the first stage")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(_measure(arguments, Path(scratch)))


def _measure(arguments: argparse.Namespace, scratch: Path) -> int:
    numbers = range(1, arguments.versions + 2)
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(256, size=(300, 400, 3), dtype=np.uint8))
    picture = encoded(noise.resize((400, 300)), "JPEG")
    network = ResidualConfig(input_px=arguments.input_px, width=arguments.width)
    exporter = Exporter(scratch, picture, network)
    made, pushed = scratch / "made", scratch / "pushed"
    pushed.mkdir()
    expected = {}
    for number in numbers:
        path = exporter.write(made, number, seed=number)
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        expected[number] = signature(pictures=tf.constant([picture]))["probabilities"].numpy()[0]
        print(f"exported version {number}", flush=True)
    megabytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6

    request = PredictRequest()
    request.model_spec.name = "default"
    request.inputs["pictures"].CopyFrom(tf.make_tensor_proto(np.array([picture], object)))
    load = Load(request, expected)
    (made / "1").rename(pushed / "1")
    rss_mib: list[float] = []
    swaps_s: list[float] = []
    flags = ["--enable_batching", f"--batching_parameters_file={_BATCHING}"]
    with (
        running(f"--model_base_path={pushed}", *flags) as server,
        load.on(server, arguments.clients),
    ):
        time.sleep(3)
        rss_mib.append(_rss_bytes(server) / _MIB)
        for number in numbers[1:]:
            started = time.monotonic()
            (made / str(number)).rename(pushed / str(number))
            _wait_until_gone(server, number - 1)
            swaps_s.append(time.monotonic() - started)
            time.sleep(1)
            rss_mib.append(_rss_bytes(server) / _MIB)
            print(f"version {number}: {swaps_s[-1]:.1f} s, {rss_mib[-1]:,.0f} MiB", flush=True)

    latencies = np.array(load.latencies_ms)
    table = Table(title=f"{arguments.versions} versions of {megabytes:.1f} MB under load")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in (
        ("calls", f"{len(latencies):,}"),
        ("failed", f"{len(load.failures)}"),
        ("answered wrongly", f"{load.wrong}"),
        ("versions that answered", f"{len(load.answered)} of {len(numbers)}"),
        ("latency p50 / p99 / longest, ms", " / ".join(
            f"{value:,.0f}" for value in (*np.percentile(latencies, [50, 99]), latencies.max())
        )),
        ("from push to the old one's end, s", f"{statistics.median(swaps_s):.1f}"),
        ("memory before the first swap, MiB", f"{rss_mib[0]:,.0f}"),
        ("after a fourth of them", f"{rss_mib[len(rss_mib) // 4]:,.0f}"),
        ("after the last", f"{rss_mib[-1]:,.0f}"),
        ("most", f"{max(rss_mib):,.0f}"),
    ):  # fmt: skip
        table.add_row(name, value)
    Console(width=100).print(table)
    for failure in load.failures[:3]:
        print(failure)
    return int(bool(load.failures) or load.wrong > 0)


def _wait_until_gone(server: Server, version: int) -> None:
    request = GetModelStatusRequest()
    request.model_spec.name = "default"
    until = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < until:
        answer = server.models.GetModelStatus(request, _TIMEOUT_S)
        states = {status.version: status.state for status in answer.model_version_status}
        if states[version] == ModelVersionStatus.END:
            return
        time.sleep(0.05)
    sys.exit(f"version {version} is still there after {_TIMEOUT_S} s")


def _rss_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
