"""Versions that come and go under a running model server, and what it is told to serve."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.model_server.options import parse_flags, without_effect
from tests.serving.certificates import Authority
from tests.serving.model_server import Server, free_port, running, start, write_half_plus

pytestmark = pytest.mark.slow

TIMEOUT_S = 20


def ask(server: Server, x: float = 0.0, name: str = "default", **spec: object) -> tuple[int, float]:
    """Returns the version that answers, and its answer."""
    request = PredictRequest()
    request.model_spec.name = name
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([x], dtype=tf.float32))
    answer = server.predictions.Predict(request, TIMEOUT_S)
    return answer.model_spec.version.value, answer.outputs["y"].float_val[0]


def spin_request(n: int, examples: int = 1) -> PredictRequest:
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "spin"
    request.inputs["n"].CopyFrom(tf.make_tensor_proto([n] * examples, dtype=tf.int32))
    return request


def states(server: Server, name: str = "default") -> dict[int, ModelVersionStatus]:
    request = GetModelStatusRequest()
    request.model_spec.name = name
    answer = server.models.GetModelStatus(request, TIMEOUT_S)
    return {status.version: status for status in answer.model_version_status}


def wait_for(server: Server, version: int, state: int, name: str = "default") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        status = states(server, name).get(version)
        if status is not None and status.state == state:
            return
        time.sleep(0.1)
    raise AssertionError(f"version {version} is {states(server, name)}")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    base_path = tmp_path_factory.mktemp("followed")
    write_half_plus(base_path, 1, addend=1)
    with running(
        f"--model_base_path={base_path}",
        "--load_retry_interval_micros=200000",
        "--max_num_load_retries=1",
    ) as server:
        yield base_path, server


def test_a_version_is_replaced_without_a_failed_call(followed: tuple[Path, Server]) -> None:
    base_path, server = followed
    seen: list[tuple[int, float]] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            seen.append(ask(server))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for version in (2, 3, 4):
        write_half_plus(base_path, version, addend=version)
        wait_for(server, version, ModelVersionStatus.AVAILABLE)
        wait_for(server, version - 1, ModelVersionStatus.END)
    done.set()
    for caller in callers:
        caller.join()
    assert {version for version, _ in seen} >= {1, 2, 3}
    assert all(answer == version for version, answer in seen)
    assert ask(server) == (4, 4.0)


@pytest.mark.parametrize("damage", ["no graph", "half a graph", "no weights"])
def test_a_damaged_version_is_reported_and_the_good_one_stays(
    followed: tuple[Path, Server], damage: str
) -> None:
    base_path, server = followed
    good, _ = ask(server)
    number = good + 100
    scratch = base_path / "scratch"
    scratch.mkdir(exist_ok=True)
    path = write_half_plus(scratch, number)
    graph = path / "saved_model.pb"
    if damage == "no graph":
        graph.unlink()
    elif damage == "half a graph":
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    else:
        shutil.rmtree(path / "variables")
        (path / "variables").mkdir()
    path.rename(base_path / str(number))
    wait_for(server, number, ModelVersionStatus.END)
    status = states(server)[number].status
    assert status.error_code != 0
    assert status.error_message
    assert ask(server)[0] == good
    shutil.rmtree(base_path / str(number))


def test_the_last_version_stays_when_its_folder_vanishes(followed: tuple[Path, Server]) -> None:
    base_path, server = followed
    good, answer = ask(server)
    shutil.move(base_path, f"{base_path}-away")
    time.sleep(2.5)  # two looks at the folder
    assert ask(server) == (good, answer)
    shutil.move(f"{base_path}-away", base_path)


def config(*models: str) -> ReloadConfigRequest:
    text = "config { model_config_list { %s } }"
    parts = "".join(f"config {{ model_platform: 'tensorflow' {model} }}" for model in models)
    return text_format.Parse(text % parts, ReloadConfigRequest())


def test_models_labels_and_policies_follow_a_reloaded_configuration(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        write_half_plus(tmp_path / "a", version, addend=version)
    (tmp_path / "b").mkdir()
    write_half_plus(tmp_path / "b", 7, addend=7)
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    a, b = f"name: 'a' base_path: '{tmp_path}/a'", f"name: 'b' base_path: '{tmp_path}/b'"
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{ config {{ model_platform: 'tensorflow' {a} {both} }} }}")
    with running(f"--model_config_file={file}") as server:
        reload = server.models.HandleReloadConfigRequest
        assert ask(server, name="a") == (2, 2.0)
        assert ask(server, name="a", version=1) == (1, 1.0)
        with pytest.raises(grpc.RpcError, match=re.escape("Specific(a, 3)")):
            ask(server, name="a", version=3)

        label = "version_labels { key: 'stable' value: %d }"
        reload(config(f"{a} {both} {label % 1}", b), TIMEOUT_S)
        assert ask(server, name="a", label="stable") == (1, 1.0)
        assert ask(server, name="b") == (7, 7.0)

        for refused, code, words in (
            (config(f"{a} {both} {label % 3}"), "FAILED_PRECONDITION",
             "Request to assign label to version 3 of model a, which is not currently available "
             "for inference"),
            (config(a, a), "INVALID_ARGUMENT",
             "Illegal to list model a multiple times in config list"),
            (config(a + "model_type: TENSORFLOW"), "INVALID_ARGUMENT",
             "Illegal setting both ModelServerConfig::model_type (deprecated) and "
             "ModelServerConfig::model_platform, model name is a"),
            (ReloadConfigRequest(), "INVALID_ARGUMENT",
             "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
             "ModelConfigList is currently supported"),
        ):  # fmt: skip
            with pytest.raises(grpc.RpcError) as caught:
                reload(refused, TIMEOUT_S)
            assert caught.value.code() == grpc.StatusCode[code]
            assert caught.value.details() == words
        assert ask(server, name="a", label="stable") == (1, 1.0)

        reload(config(b), TIMEOUT_S)
        wait_for(server, 2, ModelVersionStatus.END, name="a")
        with pytest.raises(grpc.RpcError, match=re.escape("Latest(a)")):
            ask(server, name="a")


def test_batches_are_bounded_and_bad_examples_fail_alone(tmp_path: Path) -> None:
    write_half_plus(tmp_path / "models", 1)
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 4 } max_enqueued_batches { value: 2 } "
        "num_batch_threads { value: 1 } allowed_batch_sizes: 2 allowed_batch_sizes: 4"
    )
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    flags = [
        f"--model_base_path={tmp_path}/models",
        "--enable_batching",
        f"--batching_parameters_file={file}",
        f"--monitoring_config_file={monitoring}",
    ]
    with running(*flags, rest=True) as server:
        predict = server.predictions.Predict
        with pytest.raises(grpc.RpcError) as caught:
            predict(spin_request(1, examples=5), TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "Task size 5 is larger than maximum input batch size 4"

        busy = predict.future(spin_request(2000), 60)
        time.sleep(0.5)  # the one thread is at work
        waiting = [predict.future(spin_request(n), 60) for n in range(20)]
        results = [call.exception() or call.result() for call in waiting]
        refused = [result for result in results if isinstance(result, grpc.RpcError)]
        answered = [result for result in results if not isinstance(result, grpc.RpcError)]
        assert busy.result().outputs["n"].int_val[0] == 2001
        assert len(answered) == 8  # two batches of four
        assert sorted(answer.outputs["n"].int_val[0] for answer in answered) == list(range(1, 9))
        for error in refused:
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert error.details().startswith(
                "The batch scheduling queue to which this task was submitted is full"
            )

        good, bad = PredictRequest(), PredictRequest()
        for request, examples in ((good, [_example(2.0)]), (bad, [b"not an example"])):
            request.model_spec.name = "default"
            request.model_spec.signature_name = "regress_x_to_y"
            request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(examples))
        busy = predict.future(spin_request(300), 60)
        time.sleep(0.3)
        together = [predict.future(request, 60) for request in (good, bad, good)]
        assert together[0].result().outputs["outputs"].float_val[0] == 3.0
        assert together[2].result().outputs["outputs"].float_val[0] == 3.0
        assert together[1].exception().code() == grpc.StatusCode.INVALID_ARGUMENT

        url = f"http://localhost:{server.rest_port}/monitoring/prometheus/metrics"
        page = urllib.request.urlopen(url).read().decode()
        assert ':tensorflow:serving:request_count{model_name="default",status="OK"}' in page
        assert 'status="UNAVAILABLE"} 12' in page


def _example(x: float) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[x]))
    example = tf.train.Example(features=tf.train.Features(feature={"x": feature}))
    return bytes(example.SerializeToString())


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual tls"])
def test_tls_as_configured(tmp_path: Path, mutual: bool) -> None:
    authority = Authority(tmp_path)
    server_pair, client_pair = authority.pair("localhost"), authority.pair("caller")
    write_half_plus(tmp_path / "models", 1)

    def quoted(path: Path) -> str:
        return '"' + path.read_text().replace("\n", "\\n") + '"'

    file = tmp_path / "ssl.config"
    file.write_text(
        f"server_key: {quoted(server_pair.key)} server_cert: {quoted(server_pair.certificate)}"
        f" custom_ca: {quoted(authority.certificate)} client_verify: {str(mutual).lower()}"
    )
    root = authority.certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(
        root,
        client_pair.key.read_bytes() if mutual else None,
        client_pair.certificate.read_bytes() if mutual else None,
    )
    flags = [f"--model_base_path={tmp_path}/models", f"--ssl_config_file={file}"]
    with running(*flags, credentials=credentials) as server:
        assert ask(server) == (1, 2.0)
        anonymous = [grpc.insecure_channel(f"localhost:{server.port}")]
        if mutual:
            anonymous.append(
                grpc.secure_channel(f"localhost:{server.port}", grpc.ssl_channel_credentials(root))
            )
        for channel in anonymous:
            with pytest.raises(grpc.RpcError) as caught:
                ask(Server(server.process, channel, server.port, 0))
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_that_has_begun_is_answered_before_the_server_stops(
    tmp_path: Path, number: int
) -> None:
    write_half_plus(tmp_path, 1)
    with running(f"--model_base_path={tmp_path}") as server:
        begun = server.predictions.Predict.future(spin_request(600), 60)
        time.sleep(0.5)
        server.process.send_signal(number)
        assert begun.result().outputs["n"].int_val[0] == 601
        assert server.process.wait(30) == 0


def test_a_unix_socket_serves_without_a_port(tmp_path: Path) -> None:
    write_half_plus(tmp_path / "models", 1)
    socket_path = tmp_path / "grpc.sock"
    flags = [f"--model_base_path={tmp_path}/models", f"--grpc_socket_path={socket_path}"]
    process = start("--port=0", *flags)
    try:
        channel = grpc.insecure_channel(f"unix:{socket_path}")
        grpc.channel_ready_future(channel).result(60)
        assert ask(Server(process, channel, 0, 0)) == (1, 2.0)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _failed_start(*flags: str) -> tuple[int, str]:
    process = start(*flags)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_what_is_wrong_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_half_plus(models, 1)
    broken = tmp_path / "broken.config"
    broken.write_text("model_config_list { config { nome: 'a' } }")
    no_key = tmp_path / "ssl.config"
    no_key.write_text('server_key: "no key" server_cert: "no certificate"')
    (tmp_path / "damaged" / "1").mkdir(parents=True)
    with running(f"--model_base_path={models}", rest=True) as server:
        for port in (server.port, server.rest_port):  # nobody listens beside localhost
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port), 5)
        code, errors = _failed_start(f"--port={server.port}", f"--model_base_path={models}")
        assert code == 1
        assert errors.splitlines()[-1] == (
            f"Failed to start server. Error: localhost:{server.port} of the gRPC API cannot be "
            "listened on: Address already in use"
        )
        assert "Loading servable" not in errors  # found at once, not minutes later
        taken = f"--rest_api_port={server.port}"
        code, errors = _failed_start(f"--port={free_port()}", taken, f"--model_base_path={models}")
        assert code == 1
        assert errors.splitlines()[-1] == (
            f"Failed to start server. Error: localhost:{server.port} of the REST API cannot be "
            "listened on: Address already in use"
        )
        assert "Loading servable" not in errors
    for flags, sentence in (
        ([], "Both --model_base_path and --model_config_file are empty!"),
        (["--model_base_path=/x", "--batching_parameters_file=/y"],
         "--batching_parameters_file is set without setting --enable_batching to true."),
        ([f"--model_config_file={broken}"], "Invalid protobuf file: '.*broken.config': 1:30"),
        ([f"--model_base_path={models}", f"--ssl_config_file={no_key}"],
         "cannot be listened on: .* --ssl_config_file's key and certificate do not fit each other"),
        (["--model_config_file=/no/such"], "NOT_FOUND: /no/such; No such file or directory"),
        ([f"--model_base_path={tmp_path}/damaged", "--max_num_load_retries=0"],
         "UNKNOWN: 1 model.* did not become available: .*name: default version: 1.* due to "
         "error: Could not find SavedModel"),
    ):  # fmt: skip
        code, errors = _failed_start(f"--port={free_port()}", *flags)
        assert code != 0
        assert re.search(sentence, errors.splitlines()[-1]), errors
        assert "Traceback" not in errors


def test_every_flag_is_explained() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "serving.model_server", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for flag in ("--port", "--rest_api_port", "--model_config_file", "--enable_batching"):
        assert flag in process.stdout


def test_flags_of_tensorflow_serving_that_do_nothing_here_are_taken_and_named() -> None:
    flags = [
        "--rest_api_enable_cors_support", "--enable_per_model_batching_parameters=true",
        "--tensorflow_session_config_file=/x", "--platform_config_file=", "--prefer_tflite_model",
        "--num_tflite_pools=2", "--num_tflite_interpreters_per_pool=2",
        "--xla_cpu_compilation_enabled", "--xla_gpu_compilation_enabled",
        "--thread_pool_factory_config_file=/x", "--mixed_precision=bfloat16",
        "--skip_initialize_tpu", "--enable_grpc_healthcheck_service",
        "--enable_serialization_as_tensor_content",
    ]  # fmt: skip
    parse_flags(["--model_base_path=/m", "--use_alts_credentials=false", *flags], "server")
    assert len(without_effect(flags)) == len(flags)
    with pytest.raises(SystemExit):
        parse_flags(["--model_base_path=/m", "--use_alts_credentials"], "server")
