"""TensorFlow Serving's REST API over real connections, in front of models made of numpy."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_HALF, DT_INT32, DT_STRING
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
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.model_server.errors import ServingError, failed_precondition, invalid_argument
from serving.model_server.metrics import Metrics
from serving.model_server.rest.app import METRICS_PATH, create_app
from serving.model_server.rest.server import RestServer
from serving.model_server.tensors import to_array, to_proto

_MAX_BODY = 1_000_000


def _info(dtype: int, *sizes: int) -> TensorInfo:
    dims = [TensorShapeProto.Dim(size=size) for size in sizes]
    return TensorInfo(name="t:0", dtype=dtype, tensor_shape=TensorShapeProto(dim=dims))


_SIGNATURES = {
    "serving_default": {"x": _info(DT_FLOAT, -1)},
    "strings": {"text": _info(DT_STRING, -1)},
    "matrix": {"cells": _info(DT_INT32, -1, 2)},
    "two": {"a": _info(DT_FLOAT, -1), "b": _info(DT_STRING, -1)},
    "half": {"x": _info(DT_HALF, -1)},
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
        else:
            outputs = {"y": arrays["x"] / 2 + 2}
        return PredictResponse(
            outputs={name: to_proto(np.asarray(array)) for name, array in outputs.items()}
        )

    async def classify(self, request: ClassificationRequest) -> ClassificationResponse:
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

    async def multi_inference(self, request: MultiInferenceRequest) -> MultiInferenceResponse:
        raise failed_precondition("REST has no such call")

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
            create_app(self.models, metrics=Metrics(), max_body_bytes=_MAX_BODY, **self._options)
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


def _error(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json"
    assert response.text.startswith('{\n    "error": "')
    assert response.text.endswith('"\n}')
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ('{"instances": [1.0, 2, 5e0]}', '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'),
        (
            '{"inputs": {"x": [1, 1e7, 0.2]}}',
            '{\n    "outputs": [\n        2.5,\n        5000002.0,\n        2.1\n    ]\n}',
        ),
        ('{"inputs": 1}', '{\n    "outputs": 2.5\n}'),
        ('{"inputs": []}', '{\n    "outputs": []\n}'),
        (
            '{"instances": [NaN, Infinity, -Inf, -0.0, 18e6, 0.33333334]}',
            '{\n    "predictions": [NaN, Infinity, -Infinity, 2.0, 9000002.0, 2.16666675\n    ]\n}',
        ),
        (
            '{"signature_name": "matrix", "instances": [[1, 2], [-3, 4]]}',
            '{\n    "predictions": [[2, 4], [-6, 8]\n    ]\n}',
        ),
        (
            '{"signature_name": "matrix", "inputs": [[1, 2]]}',
            '{\n    "outputs": [\n        [\n            2,\n            4\n        ]\n    ]\n}',
        ),
        (
            '{"signature_name": "two", "instances": [{"a": 1, "b": "\\u00e4\\n"},'
            ' {"b": {"b64": "aGV5"}, "a": 2}]}',
            "{\n"
            '    "predictions": [\n'
            "        {\n"
            '            "b": "ä\\n",\n'
            '            "sum": 2.0\n'
            "        },\n"
            "        {\n"
            '            "b": "hey",\n'
            '            "sum": 3.0\n'
            "        }\n"
            "    ]\n"
            "}",
        ),
        (
            '{"signature_name": "strings", "instances": ["a", {"b64": "AAE"}]}',
            "{\n"
            '    "predictions": [\n'
            "        {\n"
            '            "text": "a",\n'
            '            "text_bytes": {\n'
            '                "b64": "YQ=="\n'
            "            }\n"
            "        },\n"
            "        {\n"
            '            "text": "\\u0000\\u0001",\n'
            '            "text_bytes": {\n'
            '                "b64": "AAE="\n'
            "            }\n"
            "        }\n"
            "    ]\n"
            "}",
        ),
        # Of two members with one name, the first counts.
        (
            '{"instances": [1], "instances": ["no"]}',
            '{\n    "predictions": [2.5\n    ]\n}',
        ),
        ("\ufeff" + '{"instances": [1]}', '{\n    "predictions": [2.5\n    ]\n}'),
    ],
)
def test_predictions_are_laid_out_as_tensorflow_serving_lays_them_out(
    server: _Running, body: str, answer: str
) -> None:
    response = server.post(body)

    assert response.text == answer
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


_ELEMENT = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        (" ", "JSON Parse error: The document is empty. at offset: 1"),
        ("instances = [1]", "JSON Parse error: Invalid value. at offset: 0"),
        ('{"instances": [1,]}', "JSON Parse error: Invalid value. at offset: 17"),
        ('{"instances": [tru]}', "JSON Parse error: Invalid value. at offset: 18"),
        ('{"instances": [1. ]}', "JSON Parse error: Miss fraction part in number. at offset: 17"),
        ('{"instances": [1e+]}', "JSON Parse error: Miss exponent in number. at offset: 18"),
        (
            '{"instances": [1e400]}',
            "JSON Parse error: Number too big to be stored in double. at offset: 15",
        ),
        (
            '{"instances": [1',
            "JSON Parse error: Missing a comma or ']' after an array element. at offset: 16",
        ),
        (
            '{"ä": 1 "b"}',
            "JSON Parse error: Missing a comma or '}' after an object member. at offset: 9",
        ),
        ('{"a": 1,}', "JSON Parse error: Missing a name for object member. at offset: 8"),
        (
            '{"a" 1}',
            "JSON Parse error: Missing a colon after a name of object member. at offset: 5",
        ),
        ('{"a', "JSON Parse error: Missing a closing quotation mark in string. at offset: 3"),
        ('{"\\x": 1}', "JSON Parse error: Invalid escape character in string. at offset: 2"),
        (
            '{"\\u00g0": 1}',
            "JSON Parse error: Incorrect hex digit after \\u escape in string. at offset: 2",
        ),
        (
            '{"\\ud800": 1}',
            "JSON Parse error: The surrogate pair in string is invalid. at offset: 2",
        ),
        (
            "{} {}",
            "JSON Parse error: The document root must not be followed by other values. "
            "at offset: 3",
        ),
        ("[" * 100_000, "JSON Parse error: Lists or objects are nested too deep."),
        ("[1, 0.5]", "JSON Value: [\n    1,\n    0.5\n] Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        (
            '{"signature_name": 5, "instances": [1]}',
            'JSON Value: {\n    "signature_name": 5,\n    "instances": [\n        1\n    ]\n} '
            "not formatted correctly. 'signature_name' key must be a string value.",
        ),
        (
            '{"signature_name": "none", "instances": [1]}',
            'Serving signature name: "none" not found in signature def',
        ),
        (
            '{"signature_name": "inputless", "instances": [1]}',
            "Failed to get input map for signature: inputless",
        ),
        (
            '{"instances": [], "inputs": {}}',
            'JSON Value: {\n    "instances": [],\n    "inputs": {}\n} Not formatted correctly '
            "expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"instances": {}}',
            "JSON Value: {\n    \"instances\": {}\n} Excepting 'instances' to be an list/array",
        ),
        (
            '{"instances": []}',
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            '{"instances": ["x"]}',
            _ELEMENT.format(0) + 'JSON Value: "x" Type: String is not of expected type: float',
        ),
        (
            '{"instances": [1, true]}',
            _ELEMENT.format(1) + "JSON Value: true Type: True is not of expected type: float",
        ),
        (
            '{"inputs": null}',
            "JSON Value: null Type: Null is not of expected type: float",
        ),
        (
            '{"instances": [16777217]}',
            _ELEMENT.format(0)
            + "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
        (
            '{"inputs": 1e39}',
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
        ),
        (
            '{"signature_name": "matrix", "instances": [[1, 2], [2147483648, 3]]}',
            _ELEMENT.format(1)
            + "JSON Value: 2147483648 Type: Number is not of expected type: int32",
        ),
        (
            '{"signature_name": "matrix", "instances": [[1, 2.0]]}',
            _ELEMENT.format(0) + "JSON Value: 2.0 Type: Number is not of expected type: int32",
        ),
        (
            '{"instances": [[1, 2], [3]]}',
            _ELEMENT.format(1) + "Expecting tensor size: 2 but got: 1",
        ),
        (
            '{"instances": [[1, 2], [[3, 4]]]}',
            _ELEMENT.format(1) + "Expecting shape [2] but got: [1,2]",
        ),
        (
            '{"inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            '{"inputs": [[1, 2], 3]}',
            "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ('{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            '{"instances": [{"z": 1}]}',
            "Failed to process element: 0 key: z of 'instances' list. "
            "Error: INVALID_ARGUMENT: JSON object: does not have named input: z",
        ),
        ('{"inputs": {"z": 1}}', "Missing named input: x in 'inputs' object."),
        (
            '{"signature_name": "two", "instances": [{"a": 1}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: "
            '{\n    "a": 1\n} must only have keys: a,b',
        ),
        (
            '{"signature_name": "two", "instances": [1]}',
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            '{"signature_name": "two", "inputs": [1]}',
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            '{"instances": [{"x": 1}, 2]}',
            "Expecting object but got list at item 1 of input list",
        ),
        (
            '{"instances": [1, {"x": 2}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            '{"signature_name": "strings", "instances": [{"b64": "?"}]}',
            _ELEMENT.format(0) + "Unable to base64 decode",
        ),
        (
            '{"signature_name": "strings", "instances": [[{"b65": "?"}]]}',
            _ELEMENT.format(0)
            + 'JSON Value: {\n    "b65": "?"\n} not formatted correctly for base64 data',
        ),
        (
            '{"signature_name": "half", "instances": [1.5]}',
            "Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: "
            "Conversion of JSON Value: 1.5 to type: half",
        ),
    ],
)
def test_a_bad_predict_request_is_told_what_is_wrong(
    server: _Running, body: str, message: str
) -> None:
    assert _error(server.post(body)) == (400, message)


@pytest.mark.parametrize(
    ("verb", "body", "answer"),
    [
        (
            "m:classify",
            '{"examples": [{"x": [0.4, 2.0]}, {"x": []}]}',
            '{\n    "results": [[["a \\"b\\"", 0.2], ["a \\"b\\"", 1.0]], []\n    ]\n}',
        ),
        (
            "m/versions/1:regress",
            '{"context": {"x": 1.5}, "examples": [{}, {"x": [2.0, 3.0]}]}',
            '{\n    "results": [1.5, 5.0]\n}',
        ),
    ],
)
def test_examples_are_classified_and_regressed(
    server: _Running, verb: str, body: str, answer: str
) -> None:
    response = server.post(body, verb)

    assert (response.status_code, response.text) == (200, answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "{}",
            "JSON Value: {} When method is classify, key 'examples' is expected and was not found",
        ),
        (
            '{"examples": {}}',
            "JSON Value: {\n    \"examples\": {}\n} Expecting 'examples' value to be an list/array",
        ),
        (
            '{"examples": []}',
            "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array",
        ),
        ('{"examples": [1]}', "Example must be JSON object but got JSON Number"),
        (
            '{"examples": [{"x": [10, null]}]}',
            "Feature: x has element with unexpected JSON type: Null",
        ),
        (
            '{"examples": [{"x": [true, 10.0]}]}',
            "Unexpected element type in feature: x expecting type: int64",
        ),
        (
            '{"examples": [{"x": 18446744073709551603}]}',
            "Feature: x has uint64 element. Only int64 is supported.",
        ),
        (
            '{"examples": [{"x": 1.7976931348623157e308}]}',
            "Cannot convert JSON value: 1.7976931348623157e+308 to float without loss of "
            "precision.",
        ),
    ],
)
def test_bad_examples_are_told_what_is_wrong(server: _Running, body: str, message: str) -> None:
    assert _error(server.post(body, "m:regress")) == (400, message)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("POST", "/v1/models", 400, "Malformed request: POST /v1/models"),
        ("GET", "/v1/models/m:predict", 400, "Malformed request: GET /v1/models/m:predict"),
        ("POST", "/v1/models/m:train", 400, "Malformed request: POST /v1/models/m:train"),
        (
            "POST",
            "/v1/models/m:predict?a=b",
            400,
            "Malformed request: POST /v1/models/m:predict?a=b",
        ),
        ("PUT", "/v1/models/m:predict", 400, "Malformed request: PUT /v1/models/m:predict"),
        (
            "POST",
            "/v1/models/m/versions/x:predict",
            400,
            "Malformed request: POST /v1/models/m/versions/x:predict",
        ),
        ("GET", "/v1/models/n%C3%BC", 404, "Servable not found for request: Latest(nü)"),
        ("GET", "/v1/models/m/versions/2", 404, "Servable not found for request: Specific(m, 2)"),
        (
            "GET",
            "/v1/models/m/labels/odd/metadata",
            400,
            "Unrecognized servable version label: odd",
        ),
    ],
)
def test_urls_that_lead_nowhere(
    server: _Running, method: str, path: str, status: int, message: str
) -> None:
    assert _error(server.client.request(method, path)) == (status, message)


def test_a_version_beyond_64_bits_is_refused_without_a_body(server: _Running) -> None:
    response = server.client.get(f"/v1/models/m/versions/{2**64}")

    assert (response.status_code, response.content) == (400, b"")


@pytest.mark.parametrize("path", ["/", "/v2/models/m", "/v1"])
def test_what_is_not_the_api_is_answered_as_by_libevent(server: _Running, path: str) -> None:
    response = server.client.get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html"
    assert response.text == (
        "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
        "<H1>Not Found</H1>\n</BODY></HTML>\n"
    )


@pytest.mark.parametrize("path", ["m", "M", "m/versions/3", "m/labels/stable"])
def test_status(server: _Running, path: str) -> None:
    response = server.client.get(f"/V1/models/{path}" if path == "m" else f"/v1/models/{path}")

    if path == "M":  # only the words of the API come in either case
        assert response.status_code == 404
        return
    assert response.text == (
        '{\n "model_version_status": [\n  {\n   "version": "3",\n   "state": "AVAILABLE",\n'
        '   "status": {\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    )


def test_metadata_tells_every_field_of_a_signature(server: _Running) -> None:
    answer = server.client.get("/v1/models/m/versions/3/metadata").json()

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

    assert packed.json() == {"predictions": [2.5]}
    assert _error(plain) == (400, "JSON Parse error: The document is empty")


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

    assert _error(response) == (413, f"The request body is longer than {_MAX_BODY} bytes.")


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


def test_a_client_that_stops_in_the_middle_is_let_go(
    server: _Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.model_server.rest.body._IDLE_S", 0.1)
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

    assert _error(response) == (500, "The server failed; its log has the reason.")


def test_a_call_that_takes_too_long_is_a_gateway_timeout() -> None:
    running = _Running(timeout_s=0.1)
    try:
        response = running.post('{"signature_name": "slow", "instances": [1]}')

        assert _error(response) == (504, "Timed out waiting for notification")
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
        elsewhere = running.client.get(f"{METRICS_PATH}?a=b")

        assert page.headers["content-type"] == "text/plain"
        for line in (
            ':tensorflow:serving:request_count{model_name="m",status="OK"} 1',
            ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1',
            ':tensorflow:serving:request_count{model_name="unknown",status="NOT_FOUND"} 1',
            ":tensorflow:serving:request_latency_count"
            '{model_name="m",API="predict",entrypoint="REST"} 1',
        ):
            assert f"\n{line}\n" in page.text
        assert (elsewhere.status_code, elsewhere.text) == (
            400,
            f"Unexpected path: {METRICS_PATH}?a=b. Should be {METRICS_PATH}",
        )
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
    RestServer("localhost", running.port)._socket.close()


def test_a_port_in_use_is_reported_before_anything_starts() -> None:
    with socket.create_server(("localhost", 0)) as taken, pytest.raises(OSError, match="in use"):
        RestServer("localhost", taken.getsockname()[1])
