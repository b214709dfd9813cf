"""The model server against the model called in-process: throughput, latency, memory under load.

In one run, on one machine: the SavedModel in this process, in batches and one picture at a time;
then the server on the same model, with 32 callers that each wait for their answer before they ask
again, with callers at half that rate, and with one. The callers are a process of their own and
share the processors with the server.

Usage: python benchmarks/model_server.py VERSION [--pictures FOLDER] [--seconds 20] [--minutes 0]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
from rich.console import Console
from rich.table import Table

_CALLERS = 32
_BATCH_SIZES = (8, 16, 32, 64)
_MODEL = "benchmark"
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_BATCHING = Path(__file__).parents[1] / "serving" / "config" / "batching.config"


def main() -> None:
    """Measures everything and prints it side by side, or is the process of the callers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=Path, help="folder of a pushed version")
    parser.add_argument("--pictures", type=Path, help="folder of JPEGs; default: the sample's")
    parser.add_argument("--seconds", type=float, default=20, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=2, help="of throughput; the best counts")
    parser.add_argument("--minutes", type=float, default=0, help="of load while memory is watched")
    parser.add_argument(
        "--call", nargs=3, metavar=("PORT", "CALLERS", "RATE"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = _read_pictures(arguments.pictures, Path(scratch))
        if arguments.call:
            port, callers, rate = arguments.call
            requests = [_request([picture]) for picture in pictures]
            call = _open_loop if float(rate) else _closed_loop
            latencies = asyncio.run(
                call(int(port), requests, int(callers), float(rate), arguments.seconds)
            )
            print(json.dumps(latencies))
            return
        _measure(arguments, pictures, Path(scratch), Console())


def _measure(
    arguments: argparse.Namespace, pictures: list[bytes], scratch: Path, console: Console
) -> None:
    batches, single_ms = _in_process(arguments.version, pictures, arguments.seconds)
    best = max(batches.values())
    base_path = scratch / "models"
    base_path.mkdir()
    (base_path / "1").symlink_to(arguments.version.absolute())
    port = _free_port()
    server = subprocess.Popen(
        [
            sys.executable, "-m", "serving.model_server", f"--port={port}",
            f"--model_name={_MODEL}", f"--model_base_path={base_path}",
            "--enable_batching", f"--batching_parameters_file={_BATCHING}",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        grpc.channel_ready_future(grpc.insecure_channel(f"localhost:{port}")).result(120)
        _callers(arguments, port, _CALLERS, 0, seconds=3)  # the first batches of each size
        full = [
            _callers(arguments, port, _CALLERS, 0, arguments.seconds)
            for _ in range(arguments.rounds)
        ]
        rate = max(len(latencies) for latencies in full) / arguments.seconds
        half = _callers(arguments, port, _CALLERS, rate / 2, arguments.seconds)
        one = _callers(arguments, port, 1, 0, arguments.seconds / 2)
        table = Table(title=f"{arguments.version.name}: pictures a second, and milliseconds")
        for column in ("", "in-process", "server", "server against in-process"):
            table.add_column(column, justify="left" if not column else "right")
        table.add_row(
            f"throughput, {_CALLERS} callers",
            f"{best:.0f}/s (batches of {max(batches, key=batches.__getitem__)})",
            f"{rate:.0f}/s",
            f"{rate / best:.2f}",
        )
        table.add_row("one caller, p50", f"{single_ms:.2f} ms", f"{_p(one, 50):.2f} ms",
                      f"+{_p(one, 50) - single_ms:.2f} ms")  # fmt: skip
        table.add_row(f"half load ({rate / 2:.0f}/s), p50", "", f"{_p(half, 50):.2f} ms", "")
        table.add_row(f"half load ({rate / 2:.0f}/s), p99", "", f"{_p(half, 99):.2f} ms", "")
        console.print(table)
        if arguments.minutes:
            _watch_memory(arguments, port, server.pid, console)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _in_process(
    version: Path, pictures: list[bytes], seconds: float
) -> tuple[dict[int, float], float]:
    """Returns pictures a second by batch size, and the median time of one picture in ms."""
    import tensorflow as tf

    model = tf.saved_model.load(str(version))
    predict = model.signatures["serving_default"]
    rates = {}
    for size in _BATCH_SIZES:
        batch = (pictures * (size // len(pictures) + 1))[:size]
        rates[size] = size / _median_s(lambda: predict(pictures=tf.constant(batch)), seconds / 4)  # noqa: B023
    places = iter(range(1 << 30))

    def one() -> object:
        return predict(pictures=tf.constant([pictures[next(places) % len(pictures)]]))

    return rates, _median_s(one, seconds / 4) * 1e3


def _median_s(call: Callable[[], Any], seconds: float) -> float:
    for _ in range(3):
        call()
    times, until = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < until:
        call()["probabilities"].numpy()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _callers(
    arguments: argparse.Namespace, port: int, callers: int, rate: float, seconds: float
) -> list[float]:
    """Runs callers in a process of their own; returns their latencies in seconds."""
    command = [
        sys.executable, __file__, str(arguments.version), "--seconds", str(seconds),
        "--call", str(port), str(callers), str(rate),
    ]  # fmt: skip
    if arguments.pictures:
        command += ["--pictures", str(arguments.pictures)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(json.loads(output.splitlines()[-1]))


async def _closed_loop(
    port: int, requests: list[bytes], callers: int, rate: float, seconds: float
) -> list[float]:
    """Each caller asks again as soon as it is answered."""
    del rate
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
        predict = channel.unary_unary(_PREDICT)
        await predict(requests[0])
        until = time.perf_counter() + seconds

        async def call_again(place: int) -> None:
            while (started := time.perf_counter()) < until:
                await predict(requests[place % len(requests)])
                latencies.append(time.perf_counter() - started)
                place += callers

        await asyncio.gather(*(call_again(place) for place in range(callers)))
    return latencies


async def _open_loop(
    port: int, requests: list[bytes], callers: int, rate: float, seconds: float
) -> list[float]:
    """Calls at a steady rate, whether or not earlier ones are answered."""
    del callers
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
        predict: Callable[[bytes], Awaitable[bytes]] = channel.unary_unary(_PREDICT)
        await predict(requests[0])
        first = time.perf_counter()

        async def call(place: int) -> None:
            due = first + place / rate
            await asyncio.sleep(due - time.perf_counter())
            await predict(requests[place % len(requests)])
            latencies.append(time.perf_counter() - due)

        await asyncio.gather(*(call(place) for place in range(int(rate * seconds))))
    return latencies


def _watch_memory(arguments: argparse.Namespace, port: int, pid: int, console: Console) -> None:
    """Loads the server for minutes and prints its resident memory each tenth of the time."""
    sizes = []
    for _ in range(10):
        _callers(arguments, port, _CALLERS, 0, arguments.minutes * 6)
        sizes.append(_resident_mib(pid))
    console.print(
        f"Resident memory over {arguments.minutes:g} minutes of load, MiB: "
        + ", ".join(f"{size:.0f}" for size in sizes)
        + f"; last against second: {sizes[-1] / sizes[1]:.3f}"
    )


def _resident_mib(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) / 1024


def _request(pictures: list[bytes]) -> bytes:
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    request.model_spec.name = _MODEL
    request.inputs["pictures"].CopyFrom(tf.make_tensor_proto(pictures, dtype=tf.string))
    return bytes(request.SerializeToString())


def _read_pictures(folder: Path | None, scratch: Path) -> list[bytes]:
    if folder is None:
        import tarfile

        from ingestion.toy_dogs.sample import write_sample

        archive = write_sample(scratch / "pictures", per_breed=12)
        with tarfile.open(archive) as tar:
            files = [tar.extractfile(member) for member in tar if member.isfile()]
            return [file.read() for file in files if file is not None]
    return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:200]]


def _p(latencies: list[float], percent: int) -> float:
    return statistics.quantiles(latencies, n=100)[percent - 1] * 1e3


def _free_port() -> int:
    with socket.create_server(("", 0)) as listening:
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    main()
