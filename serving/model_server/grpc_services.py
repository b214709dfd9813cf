"""gRPC services of TensorFlow Serving: PredictionService and ModelService."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.model_server.drain import Drain
from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.handlers import Handlers
from serving.model_server.metrics import Metrics
from serving.model_server.models.core import ServerCore

_MAX_WORDS_BYTES = 6 * 1024
"""gRPC clients accept 8 KiB of headers."""
_PLAIN = "".join(chr(byte) for byte in range(0x20, 0x7F) if chr(byte) != "%")

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler | None"]]


class ReadableRequests(grpc.aio.ServerInterceptor):
    """Interceptor that answers unparseable unary requests with INVALID_ARGUMENT.

    Calls of TensorFlow Serving's services are counted, and refused once the server stops.
    """

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Returns the handler of a call, wrapped in the check."""
        checked = self._handlers.get(details.method)
        if checked is not None:
            return checked
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        drain = self._drain if details.method.startswith("/tensorflow.serving.") else None
        checked = self._handlers[details.method] = _checked(handler, drain)
        return checked


def _checked(handler: grpc.RpcMethodHandler, drain: Drain | None) -> grpc.RpcMethodHandler:
    def read(content: bytes) -> Any:
        try:
            return handler.request_deserializer(content)
        except DecodeError as error:
            return error

    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if isinstance(request, DecodeError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{request}")
        if drain is None:
            return await handler.unary_unary(request, context)
        try:
            async with drain.call():
                return await handler.unary_unary(request, context)
        except ServingError as error:
            await _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(answer, read, handler.response_serializer)


def sendable(words: str) -> str:
    """Truncates a status message that would exceed the caller's limit on headers."""
    if len(words) * 12 <= _MAX_WORDS_BYTES:  # up to 4 bytes a character, 3 each if quoted
        return words
    longest = _MAX_WORDS_BYTES
    while len(quote(words[:longest], safe=_PLAIN)) > _MAX_WORDS_BYTES:
        longest -= 256
    return words[:longest]


logger = logging.getLogger(__name__)

_MAX_BYTES_IN_FLIGHT = 512 * 1024 * 1024
"""Limit of all requests that are being answered; more are refused."""

Context: TypeAlias = grpc.aio.ServicerContext


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService`; methods call their namesakes in `Handlers`."""

    def __init__(self, handlers: Handlers, metrics: Metrics) -> None:
        self._handlers = handlers
        self._metrics = metrics
        self._bytes_in_flight = 0

    async def Predict(self, request: PredictRequest, context: Context) -> PredictResponse:  # noqa: N802, D102
        return await self._answer("Predict", request, context, self._handlers.predict)

    async def Classify(  # noqa: N802, D102
        self, request: ClassificationRequest, context: Context
    ) -> ClassificationResponse:
        return await self._answer("Classify", request, context, self._handlers.classify)

    async def Regress(self, request: RegressionRequest, context: Context) -> RegressionResponse:  # noqa: N802, D102
        return await self._answer("Regress", request, context, self._handlers.regress)

    async def MultiInference(  # noqa: N802, D102
        self, request: MultiInferenceRequest, context: Context
    ) -> MultiInferenceResponse:
        return await self._answer(
            "MultiInference", request, context, self._handlers.multi_inference
        )

    async def GetModelMetadata(  # noqa: N802, D102
        self, request: GetModelMetadataRequest, context: Context
    ) -> GetModelMetadataResponse:
        try:
            return self._handlers.get_model_metadata(request)
        except Exception as error:
            await _abort(context, error)

    async def _answer(
        self, method: str, request: Any, context: Context, call: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        """Calls a handler: maps errors to a status, bounds memory and counts the call."""
        started = time.monotonic()
        size = request.ByteSize()
        code = grpc.StatusCode.OK
        self._bytes_in_flight += size
        try:
            if self._bytes_in_flight > max(_MAX_BYTES_IN_FLIGHT, size):
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"Requests of more than {_MAX_BYTES_IN_FLIGHT} bytes are being answered.",
                )
            return await call(request)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            code = error.code if isinstance(error, ServingError) else grpc.StatusCode.INTERNAL
            await _abort(context, error)
        finally:
            self._bytes_in_flight -= size
            self._metrics.request_finished(
                _model_of(request), method, "GRPC", code, time.monotonic() - started
            )


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService`."""

    def __init__(self, handlers: Handlers, core: ServerCore) -> None:
        self._handlers = handlers
        self._core = core

    async def GetModelStatus(  # noqa: N802, D102
        self, request: GetModelStatusRequest, context: Context
    ) -> GetModelStatusResponse:
        try:
            return self._handlers.get_model_status(request)
        except Exception as error:
            await _abort(context, error)

    async def HandleReloadConfigRequest(  # noqa: N802, D102
        self, request: ReloadConfigRequest, context: Context
    ) -> ReloadConfigResponse:
        cancelled = threading.Event()
        try:
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid_argument(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                    "ModelConfigList is currently supported"
                )
            await asyncio.to_thread(self._core.configure, request.config, cancelled)
        except Exception as error:
            logger.error("ReloadConfig failed: %s", error)
            await _abort(context, error)
        finally:
            cancelled.set()  # stops waiting for models if the caller is gone
        return ReloadConfigResponse()


async def _abort(context: Context, error: Exception) -> NoReturn:
    if isinstance(error, ServingError):
        await context.abort(error.code, sendable(error.message))
    logger.error("A call failed", exc_info=error)
    message = f"{type(error).__name__}: {error}"
    await context.abort(grpc.StatusCode.INTERNAL, sendable(message))
    raise AssertionError("abort raises")


def _model_of(request: Any) -> str:
    if isinstance(request, MultiInferenceRequest):
        return request.tasks[0].model_spec.name if request.tasks else ""
    return str(request.model_spec.name)
