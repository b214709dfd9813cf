"""TensorFlow Serving's REST API over HTTP."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.handlers import Api
from serving.model_server.metrics import Metrics
from serving.model_server.rest import answers
from serving.model_server.rest.body import (
    BodyReader,
    BodyTooLargeError,
    ClientGoneError,
    ClientTooSlowError,
)
from serving.model_server.rest.example_request import read_example_request
from serving.model_server.rest.http_answer import (
    HTTP_STATUSES,
    Answer,
    html_error,
    refuse,
    send_answer,
)
from serving.model_server.rest.json_text import error_body
from serving.model_server.rest.predict_request import read_predict_request
from serving.model_server.rest.target import Target, UnreadableVersionError, read_target

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

METRICS_PATH = "/monitoring/prometheus/metrics"
"""Where Prometheus asks, unless the monitoring configuration names another path."""

_API_PATH = re.compile(r"/v1/.*", re.IGNORECASE)
_URI_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_METHODS = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"}

_LARGE_BYTES = 128 * 1024
"""From this size on, JSON is read and written beside the event loop."""
_BODIES_AT_ONCE = 4


@dataclass
class _Outcome:
    """What the metrics tell of a call."""

    model_name: str = ""
    action: str = ""
    code: grpc.StatusCode = grpc.StatusCode.OK
    started: float = field(default_factory=time.perf_counter)


def create_app(
    api: Api,
    *,
    timeout_s: float,
    metrics: Metrics,
    metrics_path: str | None,
    max_body_bytes: int,
) -> Starlette:
    """Makes the application.

    Args:
        api: what answers.
        timeout_s: longest call; beyond it the answer is 504.
        metrics: where calls are counted.
        metrics_path: where Prometheus may ask; None where it may not.
        max_body_bytes: longest request body; beyond it the answer is 413.
    """
    server = _RestApi(api, timeout_s, metrics, metrics_path, max_body_bytes)
    return Starlette(routes=[Mount("", app=server)])


class _RestApi:
    def __init__(
        self,
        api: Api,
        timeout_s: float,
        metrics: Metrics,
        metrics_path: str | None,
        max_body_bytes: int,
    ) -> None:
        self._api = api
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._max_body_bytes = max_body_bytes
        self._bodies = BodyReader(max_body_bytes, _BODIES_AT_ONCE * max_body_bytes)
        # JSON that is read takes many times its size; one large body at a time bounds that.
        self._beside_loop = ThreadPoolExecutor(1, thread_name_prefix="rest-json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            body = await self._bodies.read(receive, Headers(scope=scope))
        except ClientGoneError:
            return
        except ClientTooSlowError:
            message = "The rest of the request did not arrive in time."
            await send_answer(send, Answer(408, error_body(message), close=True))
            return
        except BodyTooLargeError:
            message = f"The request body is longer than {self._max_body_bytes} bytes."
            await refuse(receive, send, 413, message)
            return
        except ServingError as error:
            await refuse(receive, send, HTTP_STATUSES[error.code], error.message)
            return
        try:
            answer = await self._answer(scope, body, receive)
        finally:
            self._bodies.release(body)
        await send_answer(send, answer)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive) -> Answer:
        method = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        whole_path = f"{path}?{query}" if query else path
        if method not in _METHODS:
            return html_error(501)
        if not _URI_PATH.fullmatch(path):
            return html_error(400)
        if path == self._metrics_path:
            return self._metrics_page(whole_path)
        if not _API_PATH.fullmatch(whole_path):
            return html_error(404)
        outcome = _Outcome()
        try:
            answer = await self._call(method, whole_path, body, receive, outcome)
        except ServingError as error:
            outcome.code = error.code
            answer = Answer(HTTP_STATUSES[error.code], error_body(error.message))
        except UnreadableVersionError:
            outcome.code = grpc.StatusCode.INVALID_ARGUMENT
            answer = Answer(400, b"")
        except Exception:
            _log.exception("%s %s failed", method, whole_path)
            outcome.code = grpc.StatusCode.INTERNAL
            answer = Answer(500, error_body("The server failed; its log has the reason."))
        self._metrics.request_finished(
            outcome.model_name,
            outcome.action,
            "REST",
            outcome.code,
            time.perf_counter() - outcome.started,
        )
        return answer

    def _metrics_page(self, whole_path: str) -> Answer:
        if whole_path == self._metrics_path:
            return Answer(200, self._metrics.page().encode(), "text/plain")
        message = f"Unexpected path: {whole_path}. Should be {self._metrics_path}"
        return Answer(400, message.encode(), "text/plain")

    async def _call(
        self, method: str, path: str, body: bytes, receive: Receive, outcome: _Outcome
    ) -> Answer:
        """Runs a call for as long as its time and its client last."""
        target = read_target(method, path)
        if target is None:
            raise invalid_argument(f"Malformed request: {method} {path}")
        outcome.model_name = target.model_name
        if method == "GET":
            return Answer(200, self._describe(target))
        outcome.action = target.action
        work = asyncio.ensure_future(self._run(target, body))
        hung_up = asyncio.ensure_future(_disconnected(receive))
        try:
            done, _ = await asyncio.wait(
                {work, hung_up}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work in done:
                return Answer(200, work.result())
            if hung_up in done:
                raise ServingError(grpc.StatusCode.CANCELLED, "The client hung up.")
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification"
            )
        finally:
            work.cancel()
            hung_up.cancel()

    def _describe(self, target: Target) -> bytes:
        if not target.model_name:
            raise invalid_argument("Missing model name in request.")
        if target.action == "metadata":
            return answers.metadata_body(
                self._api.get_model_metadata(
                    GetModelMetadataRequest(
                        model_spec=target.model_spec, metadata_field=["signature_def"]
                    )
                )
            )
        return answers.status_body(
            self._api.get_model_status(GetModelStatusRequest(model_spec=target.model_spec))
        )

    async def _run(self, target: Target, body: bytes) -> bytes:
        spec = target.model_spec
        size = len(body)
        if target.action == "classify":
            classified = await self._api.classify(
                await self._beside(
                    size, lambda: read_example_request(body, spec, ClassificationRequest)
                )
            )
            return answers.classify_body(classified.result)
        if target.action == "regress":
            regressed = await self._api.regress(
                await self._beside(
                    size, lambda: read_example_request(body, spec, RegressionRequest)
                )
            )
            return answers.regress_body(regressed.result)
        request, form = await self._beside(
            size,
            lambda: read_predict_request(
                body, spec, lambda named: self._api.signature_def(named).inputs
            ),
        )
        response = await self._api.predict(request)
        return await self._beside(
            response.ByteSize(), lambda: answers.predict_body(response.outputs, form)
        )

    async def _beside(self, size: int, work: Callable[[], _T]) -> _T:
        """Runs work on `size` bytes, in a thread where they are many."""
        try:
            if size <= _LARGE_BYTES:
                return work()
            return await asyncio.get_running_loop().run_in_executor(self._beside_loop, work)
        except RecursionError as error:
            raise invalid_argument(
                "JSON Parse error: Lists or objects are nested too deep."
            ) from error


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
