"""Versions that are replaced, and a server that is stopped, while clients call without pause."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import httpx
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tests.serving.model_server import Server, running, start, write_half_plus

pytestmark = [pytest.mark.slow, pytest.mark.long]

TIMEOUT_S = 60
CLIENTS = 8
VERSIONS = 8
MAX_GROWTH_BYTES = 150 << 20
WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"


def ask(server: Server, x: float = 0.0) -> tuple[int, list[float]]:
    """Returns the version that answers, and its answer to three numbers."""
    request = PredictRequest()
    request.model_spec.name = "default"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([x, x, x], dtype=tf.float32))
    answer = server.predictions.Predict(request, TIMEOUT_S)
    return answer.model_spec.version.value, list(answer.outputs["y"].float_val)


def states(server: Server) -> dict[int, int]:
    request = GetModelStatusRequest()
    request.model_spec.name = "default"
    answer = server.models.GetModelStatus(request, TIMEOUT_S)
    return {status.version: status.state for status in answer.model_version_status}


def wait_for(server: Server, version: int, state: int) -> None:
    until = time.monotonic() + TIMEOUT_S
    while states(server).get(version) != state:
        assert time.monotonic() < until, states(server)
        time.sleep(0.05)


def rss_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def test_versions_pushed_one_after_another_fail_no_call_and_leave_no_memory_taken(
    tmp_path: Path,
) -> None:
    # As many versions as would be pushed are made before, so that making them takes no time here.
    pushed, made = tmp_path / "pushed", tmp_path / "made"
    pushed.mkdir()
    made.mkdir()
    for version in range(1, VERSIONS + 1):
        write_half_plus(made, version, addend=version)
    (made / "1").rename(pushed / "1")
    seen: list[tuple[int, list[float]]] = []
    failures: list[grpc.RpcError] = []
    done = threading.Event()

    def call(server: Server) -> None:
        while not done.is_set():
            try:
                seen.append(ask(server))
            except grpc.RpcError as error:
                failures.append(error)
                return

    with running(f"--model_base_path={pushed}", "--enable_batching") as server:
        callers = [threading.Thread(target=call, args=[server]) for _ in range(CLIENTS)]
        for caller in callers:
            caller.start()
        for version in range(2, VERSIONS - 2):
            (made / str(version)).rename(pushed / str(version))
            wait_for(server, version - 1, ModelVersionStatus.END)
            if version == 3:  # what is loaded for the first time has been loaded by now
                before = rss_bytes(server)
        for version in range(VERSIONS - 2, VERSIONS + 1):  # and some at once
            (made / str(version)).rename(pushed / str(version))
        wait_for(server, VERSIONS, ModelVersionStatus.AVAILABLE)
        growth = rss_bytes(server) - before
        done.set()
        for caller in callers:
            caller.join()
        assert not failures, failures[0]
        assert all(answer == [version] * 3 for version, answer in seen)
        assert {version for version, _ in seen} >= {*range(1, VERSIONS - 2), VERSIONS}
        assert ask(server) == (VERSIONS, [VERSIONS] * 3)
        assert growth < MAX_GROWTH_BYTES


def test_a_folder_that_cannot_be_one_and_a_failing_load_hold_no_other_version_up(
    tmp_path: Path,
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    write_half_plus(models, 1, addend=1)
    flags = [
        f"--model_base_path={models}",
        "--load_retry_interval_micros=300000",
        "--max_num_load_retries=20",
    ]
    with running(*flags) as server:
        # Read by the thread that loads every model; a zero byte is in no path.
        impossible = text_format.Parse(
            "config { model_config_list {"
            " config { name: 'x' base_path: '/no\\0where' model_platform: 'tensorflow' }"
            f" config {{ name: 'default' base_path: '{models}' model_platform: 'tensorflow' }}"
            " } }",
            ReloadConfigRequest(),
        )
        waiting = server.models.HandleReloadConfigRequest.future(impossible, 2)
        assert waiting.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        write_half_plus(models, 2, addend=2)
        wait_for(server, 2, ModelVersionStatus.AVAILABLE)

        (models / "3").mkdir()
        wait_for(server, 3, ModelVersionStatus.LOADING)
        shutil.move(models, tmp_path / "away")
        # Its attempts go on to their end, at their pace, although nothing can be looked at.
        wait_for(server, 3, ModelVersionStatus.END)
        assert ask(server) == (2, [2.0] * 3)
        shutil.rmtree(tmp_path / "away" / "3")
        shutil.move(tmp_path / "away", models)
        write_half_plus(models, 4, addend=4)
        wait_for(server, 4, ModelVersionStatus.AVAILABLE)


def _slow_to_warm_up(made: Path, version: int) -> Path:
    """A version with 1,000 warm-up requests of about a second each."""
    path = write_half_plus(made, version)
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = "default", "spin"
    request.inputs["n"].CopyFrom(tf.make_tensor_proto([300], dtype=tf.int32))
    (path / WARMUP).parent.mkdir()
    with tf.io.TFRecordWriter(str(path / WARMUP)) as file:
        for _ in range(1000):
            file.write(log.SerializeToString())
    return path


def test_a_server_that_is_warming_up_stops_when_it_is_told_to(tmp_path: Path) -> None:
    models, made = tmp_path / "models", tmp_path / "made"
    models.mkdir()
    made.mkdir()
    _slow_to_warm_up(made, 1).rename(models / "1")
    process = start("--port=0", f"--grpc_socket_path={tmp_path}/s", f"--model_base_path={models}")
    assert process.stderr is not None
    for line in process.stderr:
        if "Loading servable version" in line:
            break
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    assert "Traceback" not in process.stderr.read()


def test_a_server_with_a_reload_that_waits_stops_when_it_is_told_to(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    write_half_plus(models, 1, addend=1)
    file = tmp_path / "models.config"
    entry = "config { name: '%s' base_path: '%s' model_platform: 'tensorflow' }"
    one, two = entry % ("default", models), entry % ("later", tmp_path / "later")
    file.write_text(f"model_config_list {{ {one} }}")
    flags = [f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1"]
    with running(*flags) as server:
        file.write_text(f"model_config_list {{ {one} {two} }}")
        both = text_format.Parse(
            f"config {{ model_config_list {{ {one} {two} {entry % ('never', '/no/such')} }} }}",
            ReloadConfigRequest(),
        )
        calls = [server.models.HandleReloadConfigRequest.future(both, 50) for _ in range(10)]
        time.sleep(2)
        assert ask(server) == (1, [1.0] * 3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
        assert {call.code().name for call in calls} <= {"UNAVAILABLE", "CANCELLED", "OK"}


def test_a_stopping_server_answers_every_call_that_has_begun_and_refuses_the_others(
    tmp_path: Path,
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    write_half_plus(models, 1)
    ends: Counter[str] = Counter()
    gone = threading.Event()
    # Enough numbers that the server's event loop has more to do than the callers: calls queue.
    numbers = [1.0] * 20_000
    request = PredictRequest()
    request.model_spec.name = "default"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(numbers, dtype=tf.float32))
    packed, body = request.SerializeToString(), json.dumps({"instances": numbers})

    def call_grpc(server: Server) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(f"localhost:{server.port}", options) as channel:
            predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            while not gone.is_set():
                try:
                    predict(packed, TIMEOUT_S)
                    ends["OK"] += 1
                except grpc.RpcError as error:
                    ends[error.code().name] += 1

    def call_rest(server: Server) -> None:
        url = f"http://localhost:{server.rest_port}/v1/models/default:predict"
        with httpx.Client(timeout=TIMEOUT_S) as client:
            while not gone.is_set():
                try:
                    ends[str(client.post(url, content=body).status_code)] += 1
                except httpx.ConnectError:  # nobody listens any more
                    ends["refused"] += 1
                except httpx.HTTPError as error:
                    ends[repr(error)] += 1

    with running(f"--model_base_path={models}", rest=True) as server:
        callers = [
            threading.Thread(target=call_rest if number % 4 == 0 else call_grpc, args=[server])
            for number in range(32)
        ]
        for caller in callers:
            caller.start()
        until = time.monotonic() + TIMEOUT_S
        while (ends["OK"] < 100 or ends["200"] < 20) and time.monotonic() < until:
            time.sleep(0.05)
        assert server.stop() == 0
        gone.set()
        for caller in callers:
            caller.join()
    assert ends["OK"] >= 100
    assert ends["200"] >= 20
    assert set(ends) <= {"OK", "UNAVAILABLE", "200", "503", "refused"}, ends
