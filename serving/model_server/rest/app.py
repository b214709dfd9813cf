"""Starlette application of TensorFlow Serving's REST API."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tensorflow_serving.apis import classification_pb2, predict_pb2, regression_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.model_server.drain import Drain
from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.handlers import Handlers
from serving.model_server.metrics import Metrics
from serving.model_server.rest import json_answers as answers
from serving.model_server.rest import json_requests as requests
from serving.model_server.rest.bodies import BodyReader

_T = TypeVar("_T")

METRICS_PATH = "/monitoring/prometheus/metrics"
"""Default path of the metrics for Prometheus."""

_HTTP_STATUSES = {
    "CANCELLED": 499, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400, "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503, "UNAUTHENTICATED": 401,
}  # fmt: skip
"""TensorFlow Serving's HTTP status for each gRPC code; the others are 500."""

_ROUTES = (
    "GET /v1/models/MODEL[/versions/NUMBER|/labels/LABEL][/metadata] and "
    "POST /v1/models/MODEL[/versions/NUMBER|/labels/LABEL]:predict|:classify|:regress"
)
_LARGE_BYTES = 128 * 1024
"""From this size on, JSON is read and written outside the event loop."""


def create_app(
    handlers: Handlers,
    drain: Drain,
    *,
    timeout_s: float,
    metrics: Metrics,
    metrics_path: str | None,
    max_body_bytes: int,
) -> Starlette:
    """Builds the application of the REST API.

    Calls longer than `timeout_s` are answered 504, bodies over `max_body_bytes` 413. Prometheus may
    ask under `metrics_path`, unless it is None. Calls of models are counted by `drain`.
    """
    rest = _RestApi(handlers, drain, timeout_s, metrics, BodyReader(max_body_bytes))
    routes = []
    for version in ("", "/versions/{version}", "/labels/{label}"):
        model = f"/v1/models/{{model}}{version}"
        routes += [
            Route(f"{model}:{{action}}", rest.run, methods=["GET", "POST"]),
            Route(f"{model}/metadata", rest.metadata),
            Route(model, rest.status),
        ]
    if metrics_path is not None:
        routes.append(Route(f"/{metrics_path.lstrip('/')}", rest.metrics))
    on_error = dict.fromkeys((ServingError, HTTPException, Exception), _error)
    return Starlette(routes=routes, exception_handlers=on_error)


class _Json(Response):
    media_type = "application/json"


class _RestApi:
    def __init__(
        self,
        handlers: Handlers,
        drain: Drain,
        timeout_s: float,
        metrics: Metrics,
        bodies: BodyReader,
    ) -> None:
        self._handlers = handlers
        self._drain = drain
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._bodies = bodies
        # Parsed JSON takes many times its size; one large body at a time bounds that.
        self._beside_loop = ThreadPoolExecutor(1, thread_name_prefix="rest-json")

    async def metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._metrics.page())

    async def status(self, request: Request) -> Response:
        with self._counted(request, "") as spec:
            asked = GetModelStatusRequest(model_spec=spec)
            return _Json(answers.status_body(self._handlers.get_model_status(asked)))

    async def metadata(self, request: Request) -> Response:
        with self._counted(request, "") as spec:
            asked = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
            return _Json(answers.metadata_body(self._handlers.get_model_metadata(asked)))

    async def run(self, request: Request) -> Response:
        """Runs a call until it ends, times out or the client disconnects."""
        action = request.path_params["action"]
        if request.method != "POST" or action not in ("predict", "classify", "regress"):
            raise HTTPException(404)
        async with self._bodies.read(request) as body, self._drain.call():
            with self._counted(request, action) as spec:
                work = asyncio.ensure_future(self._answer(action, spec, body))
                hung_up = asyncio.ensure_future(_disconnected(request))
                try:
                    done, _ = await asyncio.wait(
                        {work, hung_up}, timeout=self._timeout_s, return_when=FIRST_COMPLETED
                    )
                    if work in done:
                        return _Json(work.result())
                    if hung_up in done:
                        raise ServingError(grpc.StatusCode.CANCELLED, "The client hung up")
                    raise ServingError(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        f"The model did not answer within {self._timeout_s:g} seconds",
                    )
                finally:
                    work.cancel()
                    hung_up.cancel()

    async def _answer(self, action: str, spec: ModelSpec, body: bytearray) -> bytes:
        size = len(body)
        if action == "classify":
            classify = classification_pb2.ClassificationRequest(model_spec=spec)
            await self._beside(size, requests.fill_examples, classify, body)
            return answers.classify_body((await self._handlers.classify(classify)).result)
        if action == "regress":
            regress = regression_pb2.RegressionRequest(model_spec=spec)
            await self._beside(size, requests.fill_examples, regress, body)
            return answers.regress_body((await self._handlers.regress(regress)).result)
        predict = predict_pb2.PredictRequest(model_spec=spec)
        signature_of = self._handlers.signature_def
        by_rows = await self._beside(size, requests.fill_tensors, predict, body, signature_of)
        answer = await self._handlers.predict(predict)
        return await self._beside(answer.ByteSize(), answers.predict_body, answer.outputs, by_rows)

    async def _beside(self, size: int, work: Callable[..., _T], *arguments: Any) -> _T:
        """Runs work on `size` bytes, in a thread if they are many."""
        if size <= _LARGE_BYTES:
            return work(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._beside_loop, work, *arguments)

    @contextmanager
    def _counted(self, request: Request, action: str) -> Iterator[ModelSpec]:
        """Yields the model that a path names, and counts the call when it ends."""
        started = time.perf_counter()
        code = grpc.StatusCode.INTERNAL
        try:
            yield _model_spec(request)
            code = grpc.StatusCode.OK
        except ServingError as error:
            code = error.code
            raise
        finally:
            name, seconds = request.path_params["model"], time.perf_counter() - started
            self._metrics.request_finished(name, action, "REST", code, seconds)


def _model_spec(request: Request) -> ModelSpec:
    path = request.path_params
    spec = ModelSpec(name=path["model"], version_label=path.get("label"))
    if "version" in path:
        try:
            spec.version.value = int(path["version"])
        except (ValueError, OverflowError) as error:
            raise invalid_argument(f"Not a version: {requests.shown(path['version'])}") from error
    return spec


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _error(request: Request, error: Exception) -> Response:
    status, message, headers = 500, "The server failed; its log has the reason", None
    if isinstance(error, ServingError):
        status, message = _HTTP_STATUSES.get(error.code.name, 500), error.message
    elif isinstance(error, HTTPException):
        status, message, headers = error.status_code, error.detail, error.headers
        if status in (404, 405):
            # TensorFlow Serving calls unknown paths below /v1/ malformed.
            status = 400 if request.url.path.startswith("/v1/") else 404
            path = requests.shown(request.url.path)
            message = f"Malformed request: {request.method} {path}. There are {_ROUTES}"
    return _Json(json.dumps({"error": message}), status, headers)
