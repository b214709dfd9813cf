"""Blocking client of the model server."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any

import grpc

from serving.client.channel import channel_options, credentials, metadata, target
from serving.client.exchange import (
    GET_MODEL_STATUS,
    PREDICT,
    Refusal,
    Reply,
    error_of,
    exchange,
    read_status,
    status_request,
)
from serving.client.load import Picture, Source, Url, Web, load, source_of
from serving.client.messages_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
)
from serving.client.options import ClientOptions
from serving.client.prediction import Prediction, VersionStatus


class BreedClient:
    """Client that classifies images on a model server; connects on first use.

    Use as a context manager. Several threads may share one.

    Raises:
        ClientError: the address or a certificate is unusable.
    """

    def __init__(self, options: ClientOptions | None = None) -> None:
        self._options = options or ClientOptions()
        address, settings = target(self._options.server), channel_options(self._options)
        if self._options.tls is None:
            self._channel = grpc.insecure_channel(address, settings)
        else:
            self._channel = grpc.secure_channel(address, credentials(self._options.tls), settings)
        self._predict = self._channel.unary_unary(
            PREDICT,
            request_serializer=PredictRequest.SerializeToString,
            response_deserializer=PredictResponse.FromString,
        )
        self._get_status = self._channel.unary_unary(
            GET_MODEL_STATUS,
            request_serializer=GetModelStatusRequest.SerializeToString,
            response_deserializer=GetModelStatusResponse.FromString,
        )
        self._metadata = metadata(self._options)
        self._web = Web()
        self._workers = ThreadPoolExecutor(self._options.concurrency, "dogbreed-client")

    def __enter__(self) -> BreedClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancels pending calls and closes the connection."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._channel.close()
        self._web.close()

    def predict(self, pictures: Iterable[Picture]) -> list[Prediction]:
        """Classifies images as `predict_many` does; returns all predictions at once."""
        return list(self.predict_many(pictures))

    def predict_many(self, pictures: Iterable[Picture]) -> Iterator[Prediction]:
        """Classifies any number of images; yields one prediction for each, in order.

        `pictures` are paths, http(s) addresses or encoded images, and may be endless: they are read
        no further ahead than calls are made. An image that cannot be read or is refused gets a
        prediction with an error, and does not stop the rest.

        Raises:
            ClientError: no call can succeed: the server is unreachable, or the model unknown.
        """
        sources = (source_of(picture, place) for place, picture in enumerate(pictures, start=1))
        window: deque[Future[list[Prediction]]] = deque()
        try:
            while batch := list(islice(sources, self._options.batch_size)):
                # Twice the concurrency, so that workers stay busy while the oldest call is slow.
                if len(window) >= 2 * self._options.concurrency:
                    yield from window.popleft().result()
                if any(isinstance(source.content, Url) for source in batch):
                    self._web.open()
                window.append(self._workers.submit(self._answer, batch))
            while window:
                yield from window.popleft().result()
        finally:
            for answer in window:
                answer.cancel()

    def status(self) -> list[VersionStatus]:
        """Returns the model's versions on the server, newest first; raises as `predict_many`."""
        outcome = self._call(self._get_status, status_request(self._options))
        if isinstance(outcome, Refusal):
            raise error_of(outcome, self._options)
        return read_status(outcome.response)

    def _answer(self, batch: list[Source]) -> list[Prediction]:
        loaded = [load(source, self._web, self._options.shrink_px) for source in batch]
        conversation = exchange(loaded, self._options)
        try:
            request = next(conversation)
            while True:
                request = conversation.send(self._call(self._predict, request))
        except StopIteration as end:
            return list(end.value)

    def _call(self, method: Any, request: Any) -> Reply | Refusal:
        started_at = time.perf_counter()
        try:
            response = method(
                request,
                timeout=self._options.timeout_s,
                metadata=self._metadata,
                wait_for_ready=self._options.wait_for_ready,
            )
        except grpc.RpcError as error:
            return Refusal(error.code(), error.details() or "")
        return Reply(response, (time.perf_counter() - started_at) * 1000)
