"""Whatever is sent to the model server: it answers rightly or with the right code, and goes on."""

from __future__ import annotations

import base64
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from PIL import Image
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from tests.pictures import encoded
from tests.serving.exported_model import Exporter
from tests.serving.hostile_pictures import hostile_pictures
from tests.serving.hostile_target import (
    CLOSE,
    HALF_A_CALL,
    HALF_AN_HTTP_CALL,
    MIB,
    PREFACE,
    TIMEOUT_S,
    Target,
    answer_of,
    ask,
    assert_same,
    refusal,
)
from tests.serving.model_server import Server, running

pytestmark = [pytest.mark.slow, pytest.mark.long]

NUM_PICTURES = 1000
MAX_GROWTH_BYTES = 600 * MIB
MAX_LASTING_GROWTH_BYTES = 200 * MIB
BATCHING = Path(__file__).parents[2] / "serving" / "config" / "batching.config"
UNFIT = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION")


@pytest.fixture(scope="module")
def target(photograph: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    good = encoded(photograph, "JPEG")
    base_path = folder / "models"
    Exporter(folder, good).write(base_path, 7, seed=3)
    flags = [
        f"--model_base_path={base_path}",
        "--enable_batching",
        f"--batching_parameters_file={BATCHING}",
        "--max_num_load_retries=0",
    ]
    with running(*flags, rest=True) as server:
        assert server.process.stderr is not None
        log: list[str] = []
        # The JPEG decoder says a lot; a pipe that nobody reads would hold the server up.
        reader = threading.Thread(target=log.extend, args=[server.process.stderr])
        reader.start()
        right = answer_of(server.predictions.Predict(ask(good), TIMEOUT_S))
        with httpx.Client(timeout=TIMEOUT_S) as http:
            yield Target(server, base_path, good, right, http)
        assert server.stop() == 0
        reader.join()
        assert not [line for line in log if "Traceback" in line], log


def test_1000_hostile_pictures_are_answered_rightly_or_refused(
    target: Target, photograph: Image.Image
) -> None:
    model = tf.saved_model.load(str(target.base_path / "7")).signatures["serving_default"]
    before = peak = target.rss_bytes
    answered = 0
    predict = target.server.predictions.Predict
    pictures = list(hostile_pictures(photograph, NUM_PICTURES))
    for start in range(0, len(pictures), 50):
        part = pictures[start : start + 50]
        # All at once, so that they share batches with each other and with the good ones.
        calls = [
            predict.future(ask(picture), TIMEOUT_S)
            for bad in part
            for picture in (bad, target.good)
        ]
        for call in calls[1::2]:
            assert_same(answer_of(call.result()), target)
        for picture, call in zip(part, calls[::2], strict=True):
            try:
                expected = model(pictures=tf.constant([picture]))
            except tf.errors.InvalidArgumentError:
                assert call.code() == grpc.StatusCode.INVALID_ARGUMENT, call.details()
            else:
                answered += 1
                breeds, probabilities = answer_of(call.result())
                np.testing.assert_allclose(
                    probabilities, expected["probabilities"].numpy()[0], **CLOSE
                )
                assert sorted(breeds) == sorted(expected["breeds"].numpy()[0])
        peak = max(peak, target.rss_bytes)
    assert 100 < answered < 900
    assert peak - before < MAX_GROWTH_BYTES
    target.check()
    assert target.rss_bytes - before < MAX_LASTING_GROWTH_BYTES


def test_a_bad_picture_among_good_ones_in_one_request_refuses_that_request(
    target: Target,
) -> None:
    predict = target.server.predictions.Predict
    assert refusal(predict, ask(target.good, b"no picture", target.good)) == "INVALID_ARGUMENT"
    breeds, probabilities = answer_of(predict(ask(*[target.good] * 32), TIMEOUT_S))
    assert breeds == target.right[0] * 32
    np.testing.assert_allclose(probabilities, target.right[1] * 32, **CLOSE)


def tensor(proto: tf.compat.v1.TensorProto) -> PredictRequest:
    request = ask(b"")
    request.inputs["pictures"].CopyFrom(proto)
    return request


def shaped(value: bytes, *sizes: int) -> PredictRequest:
    """One value that stands for as many as the shape has room for."""
    request = tensor(tf.make_tensor_proto(np.array([value], object)))
    del request.inputs["pictures"].tensor_shape.dim[:]
    for size in sizes:
        request.inputs["pictures"].tensor_shape.dim.add(size=size)
    return request


def test_wrong_types_and_shapes_are_refused(target: Target) -> None:
    predict = target.server.predictions.Predict
    out_of_range = tensor(tf.make_tensor_proto([1], dtype=tf.int8))
    proto = out_of_range.inputs["pictures"]
    proto.ClearField("tensor_content")
    proto.int_val[:] = [2**31 - 1]
    requests = [
        ask(*[b""] * 10_000),
        tensor(tf.make_tensor_proto([1.0])),
        tensor(tf.make_tensor_proto(target.good)),
        tensor(tf.make_tensor_proto(np.array([[target.good]], object))),
        shaped(b"", 2**40),
        shaped(b"", 2**62, 2**62),
        shaped(b"", *[1] * 300),
        shaped(b"", -1),
        shaped(bytes(MIB), 500),
        out_of_range,
    ]
    for request in requests:
        assert refusal(predict, request) == "INVALID_ARGUMENT"
        target.check()


def test_a_context_that_would_be_copied_without_end_is_refused(target: Target) -> None:
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "classify"
    examples = request.input.example_list_with_context
    examples.context.features.feature["x"].bytes_list.value.append(bytes(MIB))
    for _ in range(100_000):
        examples.examples.add()
    before = target.rss_bytes
    assert refusal(target.server.predictions.Classify, request) == "INVALID_ARGUMENT"
    examples.context.Clear()
    for _ in range(300_000):
        examples.examples.add()
    assert refusal(target.server.predictions.Classify, request) == "INVALID_ARGUMENT"
    assert target.rss_bytes - before < MAX_GROWTH_BYTES
    target.check()


def test_a_refusal_that_repeats_the_request_still_reaches_the_caller(target: Target) -> None:
    predict = target.server.predictions.Predict
    for name in ("x" * MIB, "ä" * 3000, "\n\0" * 5000):
        request = ask(target.good)
        request.output_filter.append(name)
        assert refusal(predict, request) == "INVALID_ARGUMENT"
        request = ask(target.good)
        request.model_spec.name = name
        assert refusal(predict, request) == "NOT_FOUND"


def test_requests_of_100_mb_are_refused_and_leave_nothing_behind(target: Target) -> None:
    predict = target.server.predictions.Predict
    huge = ask(bytes(100 * MIB))
    assert refusal(predict, huge) == "RESOURCE_EXHAUSTED"
    before = target.rss_bytes
    for _ in range(4):
        assert refusal(predict, huge) == "RESOURCE_EXHAUSTED"
        target.check()
    assert target.rss_bytes - before < MAX_LASTING_GROWTH_BYTES


def test_bytes_that_are_no_message_are_refused(target: Target) -> None:
    rng = random.Random(2)
    good = ask(target.good).SerializeToString()
    calls: dict[str, Message] = {
        "PredictionService/Predict": ask(target.good),
        "PredictionService/Classify": ClassificationRequest(),
        "PredictionService/GetModelMetadata": GetModelMetadataRequest(),
        "ModelService/GetModelStatus": GetModelStatusRequest(),
    }
    for name in calls:
        call = target.server.channel.unary_unary(
            f"/tensorflow.serving.{name}", lambda content: content, lambda content: content
        )
        assert refusal(call, b"\xff\xff\xff garbage") == "INVALID_ARGUMENT"
        for _ in range(50):
            changed = bytearray(good)
            for _ in range(3):
                changed[rng.randrange(120)] = rng.randrange(256)
            error = call.future(bytes(changed), timeout=TIMEOUT_S).exception()
            assert error is None or error.code().name in UNFIT, error.details()
    target.check()


def test_500_connections_that_say_nothing_or_half_of_it_hold_nobody_up(target: Target) -> None:
    before = target.rss_bytes
    ports = (target.server.port, target.server.rest_port)
    openings: Sequence[tuple[bytes, bytes]] = (
        (b"", b""),
        (PREFACE, b"GET /v1/models/default HT"),
        (HALF_A_CALL, HALF_AN_HTTP_CALL),
        (bytes(random.Random(3).randbytes(2000)), b"\r\n\r\n\0\xff" * 100),
    )
    with ExitStack() as held:
        for number in range(500):
            opening = openings[number // 2 % len(openings)][number % 2]
            connection = held.enter_context(
                socket.create_connection(("127.0.0.1", ports[number % 2]), TIMEOUT_S)
            )
            connection.sendall(opening)
        target.check()
        # A newcomer is let in too.
        with grpc.insecure_channel(f"127.0.0.1:{target.server.port}") as channel:
            answer = Server(target.server.process, channel, 0, 0).predictions.Predict(
                ask(target.good), TIMEOUT_S
            )
        assert_same(answer_of(answer), target)
        assert rest(target, [target.good]).status_code == 200
        assert target.rss_bytes - before < MAX_LASTING_GROWTH_BYTES
    target.check()


def test_callers_without_patience_or_that_vanish_harm_nobody(target: Target) -> None:
    predict = target.server.predictions.Predict
    hasty = [predict.future(ask(*[target.good] * 8), 0.001) for _ in range(200)]
    assert {call.code() for call in hasty} <= {
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.OK,
    }
    target.check()
    for _ in range(20):
        channel = grpc.insecure_channel(f"127.0.0.1:{target.server.port}")
        leaving = Server(target.server.process, channel, 0, 0).predictions.Predict
        calls = [leaving.future(ask(*[target.good] * 8), TIMEOUT_S) for _ in range(20)]
        for call in calls[:10]:
            call.cancel()
        channel.close()
    target.check()


def rest(target: Target, pictures: list[bytes]) -> httpx.Response:
    instances = [{"b64": base64.b64encode(picture).decode()} for picture in pictures]
    url = f"http://127.0.0.1:{target.server.rest_port}/v1/models/default:predict"
    return target.http.post(url, json={"instances": instances})


def test_rest_refuses_as_grpc_does(target: Target, photograph: Image.Image) -> None:
    url = f"http://127.0.0.1:{target.server.rest_port}/v1/models/default:predict"
    pictures = list(hostile_pictures(photograph, 120))
    for picture in pictures:
        assert rest(target, [picture]).status_code in (200, 400)
    for body in (
        b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"instances": ' * 20_000, b'{"instances": []}',
        b'{"instances": [{"b64": "!"}]}', b'{"instances": [1e999]}', b'{"instances": "\\ud800"}',
    ):  # fmt: skip
        assert target.http.post(url, content=body).status_code == 400
    announced = b"POST /v1/models/default:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    address = ("127.0.0.1", target.server.rest_port)
    with socket.create_connection(address, TIMEOUT_S) as connection:
        connection.sendall(announced % (100 * MIB))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")  # before any of it was sent
    good = rest(target, [target.good])
    assert good.status_code == 200
    [prediction] = good.json()["predictions"]
    breeds = [name.encode() for name in prediction["breeds"]]
    assert_same((breeds, prediction["probabilities"]), target)


def wait_for_end(target: Target, version: int) -> ModelVersionStatus:
    request = GetModelStatusRequest()
    request.model_spec.name = "default"
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        answer = target.server.models.GetModelStatus(request, TIMEOUT_S)
        for status in answer.model_version_status:
            if status.version == version and status.state == ModelVersionStatus.END:
                return status
        time.sleep(0.1)
    raise AssertionError(f"version {version}: {answer}")


def _garbage_warmup(path: Path) -> None:
    (path / "assets.extra").mkdir(exist_ok=True)
    (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(bytes(range(256)) * 10)


def _warmup_that_cannot_be_read(path: Path) -> None:
    shutil.rmtree(path / "assets.extra", ignore_errors=True)
    (path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(path / "assets.extra" / "tf_serving_warmup_requests")) as file:
        file.write(b"no request")


def _flipped_graph(path: Path) -> None:
    content = bytearray((path / "saved_model.pb").read_bytes())
    for place in random.Random(4).sample(range(len(content)), 200):
        content[place] ^= 0x10
    (path / "saved_model.pb").write_bytes(content)


def _short_weights(path: Path) -> None:
    [weights] = (path / "variables").glob("*.data-*")
    weights.write_bytes(weights.read_bytes()[:100])


DAMAGES = [_garbage_warmup, _warmup_that_cannot_be_read, _flipped_graph, _short_weights]


def test_damaged_and_vanishing_versions_leave_the_good_one_serving(
    target: Target, tmp_path: Path
) -> None:
    for number, damage in enumerate(DAMAGES, start=100):
        path = Path(shutil.copytree(target.base_path / "7", tmp_path / str(number)))
        damage(path)
        path.rename(target.base_path / str(number))
        status = wait_for_end(target, number)
        assert status.status.error_code != 0
        assert status.status.error_message
        target.check()
        shutil.rmtree(target.base_path / str(number))
    (target.base_path / "200").mkdir()
    wait_for_end(target, 200)
    (target.base_path / "200").rmdir()
    (target.base_path / "201").write_text("a file")
    (target.base_path / "202").symlink_to("nowhere")
    (target.base_path / str(2**64)).mkdir()
    stop = threading.Event()
    flicker = threading.Thread(target=_come_and_go, args=(target, tmp_path / "back", stop))
    flicker.start()
    for _ in range(25):
        target.check()
        time.sleep(0.1)
    stop.set()
    flicker.join()
    target.check()


def _come_and_go(target: Target, aside: Path, stop: threading.Event) -> None:
    """Has the version that serves disappear and come back, again and again."""
    while not stop.is_set():
        (target.base_path / "7").rename(aside)
        time.sleep(0.4)
        aside.rename(target.base_path / "7")
        time.sleep(0.4)
