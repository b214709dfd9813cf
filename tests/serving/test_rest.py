"""TensorFlow Serving's REST API over real connections, in front of models made of numpy."""

from __future__ import annotations

import asyncio
import gzip
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.framework.types_pb2 import (
    DT_BOOL,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT32,
    DT_INT64,
    DT_STRING,
    DT_UINT8,
)
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.model_server.drain import Drain
from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.metrics import Metrics
from serving.model_server.rest.app import METRICS_PATH, create_app
from serving.model_server.rest.json_answers import predict_body
from serving.model_server.rest.json_requests import fill_examples
from serving.model_server.rest.server import RestServer
from serving.model_server.tensors import to_array, to_proto

pytestmark = pytest.mark.slow

_MAX_BODY = 1_000_000


def _info(dtype: int, *sizes: int) -> TensorInfo:
    dims = [TensorShapeProto.Dim(size=size) for size in sizes]
    return TensorInfo(name="t:0", dtype=dtype, tensor_shape=TensorShapeProto(dim=dims))


_SIGNATURES = {
    "serving_default": {"x": _info(DT_FLOAT, -1)},
    "strings": {"text": _info(DT_STRING, -1)},
    "matrix": {"cells": _info(DT_INT32, -1, 2)},
    "two": {"a": _info(DT_FLOAT, -1), "b": _info(DT_STRING, -1)},
    "long": {"x": _info(DT_INT64, -1)},
    "double": {"x": _info(DT_DOUBLE, -1)},
    "flags": {"x": _info(DT_BOOL, -1)},
    "tiny": {"x": _info(DT_UINT8, -1)},
    "half": {"x": _info(DT_HALF, -1)},
    "no rows": {"x": _info(DT_FLOAT, -1)},
    "to half": {"x": _info(DT_FLOAT, -1)},
    "total": {"x": _info(DT_FLOAT, -1)},
    "slow": {"x": _info(DT_FLOAT, -1)},
    "broken": {"x": _info(DT_FLOAT, -1)},
    "inputless": {},
}


class _Models:
    """Model `m`, versions 1 and 3; label `stable` is 1."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.started = threading.Event()

    def _check(self, spec: ModelSpec) -> None:
        if spec.name != "m" or (spec.HasField("version") and spec.version.value not in (1, 3)):
            version = f"Specific({spec.name}, {spec.version.value})"
            latest = f"Latest({spec.name})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                "Servable not found for request: "
                f"{version if spec.HasField('version') else latest}",
            )
        if spec.version_label not in ("", "stable"):
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")

    def signature_def(self, model_spec: ModelSpec) -> SignatureDef:
        self._check(model_spec)
        name = model_spec.signature_name or "serving_default"
        if name not in _SIGNATURES:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        return SignatureDef(inputs=_SIGNATURES[name])

    async def predict(self, request: PredictRequest) -> PredictResponse:
        arrays = {name: to_array(name, tensor) for name, tensor in request.inputs.items()}
        name = request.model_spec.signature_name
        if name == "slow":
            self.started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if name == "broken":
            raise RuntimeError("nobody expected this")
        if name == "strings":
            outputs = {"text": arrays["text"], "text_bytes": arrays["text"]}
        elif name == "matrix":
            outputs = {"cells": arrays["cells"] * 2}
        elif name == "two":
            outputs = {"sum": arrays["a"] + 1, "b": arrays["b"]}
        elif name in ("long", "double", "flags", "tiny"):
            outputs = {"x": arrays["x"]}
        elif name == "no rows":
            outputs = {"y": arrays["x"][:0]}
        elif name == "to half":
            outputs = {"y": arrays["x"].astype(np.float16)}
        elif name == "total":
            outputs = {"y": arrays["x"], "total": arrays["x"].sum()}
        else:
            outputs = {"y": arrays["x"] / 2 + 2}
        return PredictResponse(
            outputs={name: to_proto(np.asarray(array)) for name, array in outputs.items()}
        )

    async def classify(self, request: ClassificationRequest) -> ClassificationResponse:
        if request.model_spec.name in grpc.StatusCode.__members__:
            raise ServingError(grpc.StatusCode[request.model_spec.name], "refused")
        self._check(request.model_spec)
        response = ClassificationResponse()
        for example in request.input.example_list.examples:
            classes = response.result.classifications.add().classes
            for value in example.features.feature["x"].float_list.value:
                classes.add(label='a "b"', score=value / 2)
        return response

    async def regress(self, request: RegressionRequest) -> RegressionResponse:
        response = RegressionResponse()
        with_context = request.input.example_list_with_context
        for example in [*request.input.example_list.examples, *with_context.examples]:
            features = {**with_context.context.features.feature, **example.features.feature}
            response.result.regressions.add(value=sum(features["x"].float_list.value))
        return response

    def get_model_status(self, request: GetModelStatusRequest) -> GetModelStatusResponse:
        self._check(request.model_spec)
        available = ModelVersionStatus(version=3, state=ModelVersionStatus.AVAILABLE)
        available.status.SetInParent()
        return GetModelStatusResponse(model_version_status=[available])

    def get_model_metadata(self, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
        self._check(request.model_spec)
        assert list(request.metadata_field) == ["signature_def"]
        signature = SignatureDef(
            inputs=_SIGNATURES["serving_default"], method_name="tensorflow/serving/predict"
        )
        response = GetModelMetadataResponse(model_spec=ModelSpec(name="m"))
        response.model_spec.version.value = 3
        response.metadata["signature_def"].Pack(
            SignatureDefMap(signature_def={"serving_default": signature})
        )
        return response


class _Running:
    """The API on a free port, in a thread with a loop of its own."""

    def __init__(self, *, timeout_s: float = 30, metrics_path: str | None = METRICS_PATH) -> None:
        self.models = _Models()
        self._options = {"timeout_s": timeout_s, "metrics_path": metrics_path}
        self._server = RestServer("localhost", 0)
        self.port = self._server.port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._start())
        self.client = httpx.Client(base_url=f"http://localhost:{self.port}", timeout=30)

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _start(self) -> None:
        self._server.start(
            create_app(
                self.models, Drain(), metrics=Metrics(), max_body_bytes=_MAX_BODY, **self._options
            )
        )

    def stop(self, grace_s: float = 1) -> None:
        self.client.close()
        self._run(self._server.stop(grace_s))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def post(self, body: str | bytes, verb: str = "m:predict", **headers: str) -> httpx.Response:
        return self.client.post(f"/v1/models/{verb}", content=body, headers=headers)


@pytest.fixture(scope="module")
def server() -> Iterator[_Running]:
    running = _Running()
    yield running
    running.stop()


def _error(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    [(key, message)] = response.json().items()
    assert key == "error"
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize(
    ("signature", "body", "answer"),
    [
        ("", '{"instances": [1.0, 2, 5e0]}', {"predictions": [2.5, 3.0, 4.5]}),
        ("", '{"instances": [{"x": 1}, {"x": 2}]}', {"predictions": [2.5, 3.0]}),
        ("", '{"instances": [[1], [2]]}', {"predictions": [[2.5], [3.0]]}),
        ("", '{"instances": [[], []]}', {"predictions": [[], []]}),
        ("", '{"inputs": {"x": [1, 1e7, 0.2], "other": 0}}', {"outputs": [2.5, 5000002.0, 2.1]}),
        ("", '{"inputs": 1}', {"outputs": 2.5}),
        ("", '{"inputs": []}', {"outputs": []}),
        ("", "\ufeff" + '{"instances": [1]}', {"predictions": [2.5]}),
        ("no rows", '{"instances": [1]}', {"predictions": []}),
        ("matrix", '{"instances": [[1, 2], [-3, 4]]}', {"predictions": [[2, 4], [-6, 8]]}),
        ("matrix", '{"inputs": [[1, 2]]}', {"outputs": [[2, 4]]}),
        (
            "long",
            '{"instances": [9223372036854775807, -9223372036854775808]}',
            {"predictions": [2**63 - 1, -(2**63)]},
        ),
        ("double", '{"instances": [1e300, 0.1]}', {"predictions": [1e300, 0.1]}),
        ("flags", '{"instances": [true, false]}', {"predictions": [True, False]}),
        ("tiny", '{"instances": [0, 255]}', {"predictions": [0, 255]}),
        (
            "two",
            '{"instances": [{"a": 1, "b": "\\u00e4\\n"}, {"b": {"b64": "aGV5"}, "a": 2}]}',
            {"predictions": [{"b": "ä\n", "sum": 2.0}, {"b": "hey", "sum": 3.0}]},
        ),
        (
            "two",
            '{"inputs": {"a": [1, 2], "b": "\\ud83d\\udc36"}}',
            {"outputs": {"b": "🐶", "sum": [2.0, 3.0]}},
        ),
        (
            "strings",
            '{"instances": ["a", {"b64": "AA\\nE"}]}',
            {
                "predictions": [
                    {"text": "a", "text_bytes": {"b64": "YQ=="}},
                    {"text": "\0\1", "text_bytes": {"b64": "AAE="}},
                ]
            },
        ),
        ("strings", '{"inputs": "a"}', {"outputs": {"text": "a", "text_bytes": {"b64": "YQ=="}}}),
        ("total", '{"inputs": [1, 2]}', {"outputs": {"y": [1.0, 2.0], "total": 3.0}}),
    ],
)
def test_predictions_come_in_the_format_of_the_request(
    server: _Running, signature: str, body: str, answer: object
) -> None:
    named = f'{{"signature_name": "{signature}", '
    response = server.post(body.replace("{", named, 1) if signature else body)

    assert response.json() == answer
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


def test_numbers_are_printed_as_tensorflow_serving_prints_them(server: _Running) -> None:
    text = server.post('{"inputs": [NaN, Infinity, -Infinity, -0.0, 18e6, 0.33333334]}').text
    integers = server.post('{"signature_name": "long", "inputs": [9007199254740993]}').text

    assert "[NaN, Infinity, -Infinity, 2.0, 9000002.0, 2.1666667]" in text
    assert "[9007199254740993]" in integers


def test_decimals_are_short_and_still_the_same_float32() -> None:
    rng = np.random.default_rng(1)
    exponents = rng.integers(-44, 38, 2000)
    numbers = (rng.random(2000) * 10.0**exponents).astype(np.float32)

    body = predict_body({"y": to_proto(numbers)}, by_rows=True)
    simple = predict_body({"y": to_proto(np.array([0.1, 1e-5, 3], np.float32))}, by_rows=True)

    read = np.array(json.loads(body)["predictions"], np.float32)
    np.testing.assert_array_equal(read, numbers)
    assert json.loads(simple) == {"predictions": [0.1, 1e-5, 3.0]}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "line 1 column 1"),
        ("instances = [1]", "line 1 column 1"),
        ('{"instances": [1,]}', "column 18"),
        ('{"instances": [1', "column 17"),
        ('{"a" 1}', "column 6"),
        (b'{"instances": ["\xff"]}', "0xff"),
        ('{"\\ud800": 1}', "surrogate"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' * 100_000, "nested too deep"),
        ('{"instances": ' + "[" * 40 + "1" + "]" * 40 + "}", "32"),
        ('{"instances": [1' + "0" * 5000 + "]}", "4300"),
        ("[1, 0.5]", "[1, 0.5]"),
        ("{}", "'instances' or 'inputs'"),
        ('{"instances": [1], "inputs": [1]}', "'instances' or 'inputs'"),
        ('{"signature_name": 5, "instances": [1]}', "'signature_name' must be a string"),
        ('{"signature_name": "none", "instances": [1]}', '"none"'),
        ('{"signature_name": "inputless", "instances": [1]}', "none"),
        ('{"instances": {}}', "'instances' must be a list"),
        ('{"instances": []}', "'instances' must be a list with values"),
        ('{"instances": ["x"]}', 'Input x[0] must be float32, but is "x"'),
        ('{"instances": [1, true]}', "Input x[1] must be float32, but is true"),
        ('{"instances": [1, {"b64": "aGV5"}]}', "Input x[1] must be float32"),
        ('{"inputs": null}', "Input x must be float32, but is null"),
        ('{"inputs": [[1, 2], [3, "y"]]}', 'Input x[1][1] must be float32, but is "y"'),
        ('{"inputs": 1e39}', "must be float32, but is 1e+39"),
        ('{"inputs": [0, -1e39]}', "must be float32, but is -1e+39"),
        ('{"inputs": [Infinity, NaN, 1e400]}', "Input x[2] must be float32"),
        ('{"inputs": 1' + "0" * 400 + "}", "must be float32"),
        ('{"signature_name": "double", "inputs": 1e400}', "must be float64"),
        ('{"signature_name": "long", "inputs": 9223372036854775808}', "must be int64"),
        ('{"signature_name": "tiny", "inputs": [1, 256]}', "x[1] must be uint8, but is 256"),
        ('{"signature_name": "tiny", "inputs": -1}', "must be uint8, but is -1"),
        ('{"signature_name": "flags", "inputs": 1}', "must be bool, but is 1"),
        ('{"signature_name": "matrix", "instances": [[1, 2.0]]}', "must be int32, but is 2.0"),
        ('{"signature_name": "half", "instances": [1.5]}', "float16"),
        ('{"signature_name": "to half", "instances": [1.5]}', "Output y is of type float16"),
        ('{"signature_name": "total", "instances": [1]}', "rows: total [], y [1]"),
        ('{"instances": [[1, 2], [3]]}', "Input x[1] must be a list as long as"),
        ('{"instances": [[1, 2], [[3, 4]]]}', "Input x[1] must be a list as long as"),
        ('{"inputs": [[1, 2], 3]}', "Input x[1] must be a list"),
        ('{"inputs": [1, [2]]}', "Input x[0] must be a list"),
        ('{"instances": [{"z": 1}]}', "'instances'[0] must name the inputs, x, "),
        ('{"instances": [{"x": 1}, 2]}', "'instances'[1] must name the inputs, x, but is 2"),
        ('{"instances": [1, {"x": 2}]}', 'Input x[1] must be float32, but is {"x": 2}'),
        ('{"inputs": {"z": 1}}', "lacks the input x"),
        ('{"signature_name": "two", "instances": [{"a": 1}]}', "must name the inputs, a, b"),
        ('{"signature_name": "two", "instances": [1]}', "must name the inputs, a, b"),
        ('{"signature_name": "two", "inputs": [1]}', "must name the inputs, a, b"),
        ('{"signature_name": "strings", "instances": [{"b64": "?"}]}', '{"b64": "?"}'),
        ('{"signature_name": "strings", "instances": [[{"b65": "?"}]]}', '{"b65": "?"}'),
        ('{"signature_name": "strings", "instances": ["a", 1]}', "string"),
    ],
)
def test_a_bad_predict_request_is_told_what_is_wrong(
    server: _Running, body: str | bytes, named: str
) -> None:
    assert named in _error(server.post(body))


@pytest.mark.parametrize("value", ['"' + "ä" * 5000 + '"', "[" * 900 + "]" * 900, "[1, " * 90])
def test_no_more_than_256_bytes_of_a_value_are_repeated(server: _Running, value: str) -> None:
    value += "0" + "]" * value.count("[") if value.endswith(" ") else ""

    message = _error(server.post(f'{{"instances": {{"a": {value}}}}}'))

    assert 256 < len(message.encode()) < 350


@pytest.mark.parametrize(
    ("verb", "body", "results"),
    [
        (
            "m:classify",
            '{"examples": [{"x": [0.4, 2.0]}, {"x": []}]}',
            [[['a "b"', 0.2], ['a "b"', 1.0]], []],
        ),
        (
            "m/versions/1:regress",
            '{"context": {"x": 1.5}, "examples": [{}, {"x": [2.0, 3.0]}]}',
            [1.5, 5.0],
        ),
        ("m/labels/stable:classify", '{"examples": [{"x": 1.0}]}', [[['a "b"', 0.5]]]),
    ],
)
def test_examples_are_classified_and_regressed(
    server: _Running, verb: str, body: str, results: object
) -> None:
    response = server.post(body, verb)

    assert (response.status_code, response.json()) == (200, {"results": results})


def test_features_are_of_the_type_of_their_json() -> None:
    request = RegressionRequest()
    fill_examples(
        request,
        bytearray(
            b'{"signature_name": "s", "examples": [{"i": [1, true], "f": [0.5, Infinity], "s": "a",'
            b' "b": {"b64": "AA=="}, "none": []}]}'
        ),
    )

    feature = request.input.example_list.examples[0].features.feature
    assert request.model_spec.signature_name == "s"
    assert feature["i"].int64_list.value == [1, 1]
    assert feature["f"].float_list.value == [0.5, float("inf")]
    assert feature["s"].bytes_list.value == [b"a"]
    assert feature["b"].bytes_list.value == [b"\0"]
    assert feature["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("{}", "'examples'"),
        ('{"examples": {}}', "'examples' must be a list"),
        ('{"examples": []}', "'examples' must be a list with values"),
        ('{"examples": [1]}', "but is 1"),
        ('{"context": 1, "examples": [{}]}', "but is 1"),
        ('{"examples": [{"x": [10, null]}]}', 'Feature "x"'),
        ('{"examples": [{"x": [true, 10.0]}]}', 'Feature "x"'),
        ('{"examples": [{"x": 18446744073709551603}]}', "18446744073709551603"),
        ('{"examples": [{"x": 1.7976931348623157e308}]}', "range of float32"),
        ('{"examples": [{"x": {"b": 1}}]}', '{"b": 1}'),
    ],
)
def test_bad_examples_are_told_what_is_wrong(server: _Running, body: str, named: str) -> None:
    assert named in _error(server.post(body, "m:regress"))


@pytest.mark.parametrize(
    ("method", "path", "status", "named"),
    [
        ("GET", "/v1/foo", 400, '"/v1/foo"'),
        ("GET", "/v1/models", 400, "/v1/models/MODEL"),
        ("POST", "/v1/models/m", 400, 'POST "/v1/models/m"'),
        ("GET", "/v1/models/m:predict", 400, "GET"),
        ("POST", "/v1/models/m:train", 400, "m:train"),
        ("PUT", "/v1/models/m:predict", 400, "PUT"),
        ("GET", "/v1/models/m/versions/x", 400, 'version: "x"'),
        ("GET", f"/v1/models/m/versions/{2**63}", 400, str(2**63)),
        ("POST", f"/v1/models/m/versions/{'9' * 5000}:predict", 400, "9..."),
        ("GET", "/v1/models/n%C3%BC", 404, "Latest(nü)"),
        ("GET", "/v1/models/m/versions/2", 404, "Specific(m, 2)"),
        ("GET", "/v1/models/m/labels/odd/metadata", 400, "label: odd"),
        ("GET", "/", 404, "/v1/models/MODEL"),
        ("GET", "/v2/models/m", 404, "/v1/models/MODEL"),
    ],
)
def test_urls_that_lead_nowhere(
    server: _Running, method: str, path: str, status: int, named: str
) -> None:
    assert named in _error(server.client.request(method, path), status)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("CANCELLED", 499), ("UNKNOWN", 500), ("INVALID_ARGUMENT", 400), ("NOT_FOUND", 404),
        ("DEADLINE_EXCEEDED", 504), ("ALREADY_EXISTS", 409), ("PERMISSION_DENIED", 403),
        ("RESOURCE_EXHAUSTED", 429), ("FAILED_PRECONDITION", 400), ("ABORTED", 409),
        ("OUT_OF_RANGE", 400), ("UNIMPLEMENTED", 501), ("INTERNAL", 500), ("UNAVAILABLE", 503),
        ("DATA_LOSS", 500), ("UNAUTHENTICATED", 401),
    ],
)  # fmt: skip
def test_each_code_has_its_http_status(server: _Running, code: str, status: int) -> None:
    assert _error(server.post('{"examples": [{}]}', f"{code}:classify"), status) == "refused"


@pytest.mark.parametrize("path", ["m", "m/versions/3", "m/labels/stable"])
def test_status(server: _Running, path: str) -> None:
    answer = server.client.get(f"/v1/models/{path}").json()

    status = {"error_code": "OK", "error_message": ""}
    version = {"version": "3", "state": "AVAILABLE", "status": status}
    assert answer == {"model_version_status": [version]}


@pytest.mark.parametrize("path", ["m", "m/versions/3", "m/labels/stable"])
def test_metadata_tells_every_field_of_a_signature(server: _Running, path: str) -> None:
    answer = server.client.get(f"/v1/models/{path}/metadata").json()

    assert answer["model_spec"] == {"name": "m", "signature_name": "", "version": "3"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["outputs"] == signature["defaults"] == {}
    assert signature["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
            "name": "t:0",
        }
    }


def test_a_packed_body_is_unpacked(server: _Running) -> None:
    body = b'{"instances": [1.0]}'

    packed = server.post(gzip.compress(body), **{"content-encoding": "gzip"})
    plain = server.post(body, **{"content-encoding": "gzip"})
    half = server.post(gzip.compress(body)[:-9], **{"content-encoding": "gzip"})

    assert packed.json() == {"predictions": [2.5]}
    assert "gzip" in _error(plain)
    assert "gzip" in _error(half)


@pytest.mark.parametrize("how", ["announced", "chunked", "packed"])
def test_a_body_beyond_the_bound_is_refused_while_it_arrives(server: _Running, how: str) -> None:
    body = b" " * (8 * _MAX_BODY)
    headers = {}
    content: Any = body
    if how == "chunked":
        content = iter([body[:_MAX_BODY]] * 8)
    elif how == "packed":
        content, headers = gzip.compress(body), {"content-encoding": "gzip"}

    response = server.client.post("/v1/models/m:predict", content=content, headers=headers)

    assert str(_MAX_BODY) in _error(response, 413)


def test_a_large_request_is_the_same_as_a_small_one(server: _Running) -> None:
    numbers = np.random.default_rng(1).random(40_000).round(3).tolist()

    response = server.post(json.dumps({"instances": numbers}))

    np.testing.assert_allclose(response.json()["predictions"], np.array(numbers) / 2 + 2, 1e-6)


def test_slow_clients_hold_up_nobody(server: _Running) -> None:
    slow = [socket.create_connection(("localhost", server.port)) for _ in range(50)]
    for connection in slow:
        connection.sendall(
            b"POST /v1/models/m:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n"
        )

    assert server.post('{"instances": [1]}').status_code == 200

    for connection in slow:
        connection.sendall(b'\r\n{"instances": [1.0]}')
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.close()


def test_bodies_that_are_held_back_do_not_fill_the_memory(server: _Running) -> None:
    announced = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"

    def hold() -> socket.socket:
        connection = socket.create_connection(("localhost", server.port))
        connection.sendall(announced % _MAX_BODY + b" " * (_MAX_BODY - 1))
        return connection

    holding = [hold() for _ in range(4)]
    until = time.monotonic() + 60
    while (response := server.post('{"instances": [1]}')).status_code != 429:
        assert time.monotonic() < until
        time.sleep(0.2)
        # The call may have taken the last room, so that one of these was refused in its place.
        for refused in select.select(holding, [], [], 0)[0]:
            refused.close()
            holding[holding.index(refused)] = hold()
    assert "memory" in _error(response, 429)

    for connection in holding:
        connection.close()
    while server.post('{"instances": [1]}').status_code != 200:
        assert time.monotonic() < until


def test_a_client_that_stops_in_the_middle_is_let_go(
    server: _Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.model_server.rest.bodies._IDLE_S", 0.1)
    with socket.create_connection(("localhost", server.port)) as connection:
        connection.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: a\r\n")
        connection.sendall(b"Content-Length: 20\r\n\r\n{")

        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_hangs_up_ends_its_call(server: _Running) -> None:
    body = b'{"signature_name": "slow", "instances": [1]}'
    with socket.create_connection(("localhost", server.port)) as connection:
        connection.sendall(
            b"POST /v1/models/m:predict HTTP/1.1\r\nHost: a\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert server.models.started.wait(10)

    assert server.models.cancelled.wait(10)


def test_a_failure_inside_is_told_without_its_trace(server: _Running) -> None:
    response = server.post('{"signature_name": "broken", "instances": [1]}')

    assert _error(response, 500) == "The server failed; its log has the reason"


def test_a_call_that_takes_too_long_is_a_gateway_timeout() -> None:
    running = _Running(timeout_s=0.1)
    try:
        response = running.post('{"signature_name": "slow", "instances": [1]}')

        assert "0.1 seconds" in _error(response, 504)
        assert running.models.cancelled.wait(10)
    finally:
        running.stop()


def test_metrics_count_calls_under_their_path_only() -> None:
    running = _Running()
    try:
        running.post('{"instances": [1]}')
        running.post("{}")
        running.client.get("/v1/models/unknown")

        page = running.client.get(METRICS_PATH)

        assert page.headers["content-type"].startswith("text/plain")
        for line in (
            ':tensorflow:serving:request_count{model_name="m",status="OK"} 1',
            ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1',
            ':tensorflow:serving:request_count{model_name="unknown",status="NOT_FOUND"} 1',
            ":tensorflow:serving:request_latency_count"
            '{model_name="m",API="predict",entrypoint="REST"} 1',
        ):
            assert f"\n{line}\n" in page.text
    finally:
        running.stop()


def test_metrics_that_are_not_enabled_are_not_found() -> None:
    running = _Running(metrics_path=None)
    try:
        assert running.client.get(METRICS_PATH).status_code == 404
    finally:
        running.stop()


def test_stopping_lets_a_call_end_and_frees_the_port() -> None:
    running = _Running(timeout_s=0.5)
    answers: list[httpx.Response] = []
    body = '{"signature_name": "slow", "instances": [1]}'
    caller = threading.Thread(
        target=lambda: answers.append(
            httpx.post(f"http://localhost:{running.port}/v1/models/m:predict", content=body)
        )
    )
    caller.start()
    assert running.models.started.wait(10)

    running.stop(grace_s=10)
    caller.join()

    assert answers[0].status_code == 504
    asyncio.run(RestServer("localhost", running.port).stop(0))


def test_a_port_in_use_is_reported_before_anything_starts() -> None:
    with socket.create_server(("localhost", 0)) as taken, pytest.raises(OSError, match="in use"):
        RestServer("localhost", taken.getsockname()[1])
