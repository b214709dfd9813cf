"""Asynchronous client of the model server, for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any

import grpc
import grpc.aio

from serving.client.channel import channel_options, credentials, metadata, target
from serving.client.exchange import (
    GET_MODEL_STATUS,
    PREDICT,
    Refusal,
    Reply,
    error_of,
    exchange,
    not_loaded,
    read_status,
    status_request,
)
from serving.client.load import Picture, Source, Web, aload, source_of
from serving.client.messages_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
)
from serving.client.options import (
    ClientError,
    ClientOptions,
    ModelNotFoundError,
    ServerUnavailableError,
)
from serving.client.prediction import Prediction, VersionStatus

_BETWEEN_LOOKS_S = 0.25


class AsyncBreedClient:
    """Client for one event loop; otherwise like `sync_client.BreedClient`.

    Use as an asynchronous context manager inside that loop.

    Raises:
        ClientError: the address or a certificate is unusable.
    """

    def __init__(self, options: ClientOptions | None = None) -> None:
        self._options = options or ClientOptions()
        address, settings = target(self._options.server), channel_options(self._options)
        if self._options.tls is None:
            self._channel = grpc.aio.insecure_channel(address, settings)
        else:
            self._channel = grpc.aio.secure_channel(
                address, credentials(self._options.tls), settings
            )
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
        self._free_calls = asyncio.Semaphore(self._options.concurrency)

    async def __aenter__(self) -> AsyncBreedClient:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels pending calls and closes the connection."""
        await self._channel.close()
        await self._web.aclose()

    async def predict(
        self, pictures: Iterable[Picture] | AsyncIterable[Picture]
    ) -> list[Prediction]:
        """Classifies images as `predict_many` does; returns all predictions at once."""
        return [prediction async for prediction in self.predict_many(pictures)]

    async def predict_many(
        self, pictures: Iterable[Picture] | AsyncIterable[Picture]
    ) -> AsyncIterator[Prediction]:
        """Classifies any number of images; yields one prediction for each, in order.

        `pictures` are paths, http(s) addresses or encoded images, and may be endless: they are read
        no further ahead than calls are made. An image that cannot be read or is refused gets a
        prediction with an error, and does not stop the rest.

        Raises:
            ClientError: no call can succeed: the server is unreachable, or the model unknown.
        """
        window: deque[asyncio.Task[list[Prediction]]] = deque()
        try:
            async for batch in _batches(pictures, self._options.batch_size):
                # Twice the concurrency, so that workers stay busy while the oldest call is slow.
                if len(window) >= 2 * self._options.concurrency:
                    for prediction in await window.popleft():
                        yield prediction
                window.append(asyncio.create_task(self._answer(batch)))
            while window:
                for prediction in await window.popleft():
                    yield prediction
        finally:
            for answer in window:
                answer.cancel()
            await asyncio.gather(*window, return_exceptions=True)

    async def status(self) -> list[VersionStatus]:
        """Returns the model's versions on the server, newest first; raises as `predict_many`."""
        outcome = await self._call(self._get_status, status_request(self._options))
        if isinstance(outcome, Refusal):
            raise error_of(outcome, self._options)
        return read_status(outcome.response)

    async def wait_until_served(self, limit_s: float) -> None:
        """Waits until the server is up and has loaded the model.

        Raises:
            ClientError: it is not after `limit_s` seconds, or the server cannot be trusted.
        """
        deadline = time.monotonic() + limit_s
        while True:
            try:
                versions = await self.status()
            except (ServerUnavailableError, ModelNotFoundError) as error:
                problem: ClientError = error
            else:
                if any(version.state == "AVAILABLE" for version in versions):
                    return
                problem = not_loaded(versions, self._options)
            if time.monotonic() >= deadline:
                raise problem
            await asyncio.sleep(_BETWEEN_LOOKS_S)

    async def _answer(self, batch: list[Source]) -> list[Prediction]:
        async with self._free_calls:
            loaded = await asyncio.gather(
                *(aload(source, self._web, self._options.shrink_px) for source in batch)
            )
            conversation = exchange(loaded, self._options)
            try:
                request = next(conversation)
                while True:
                    request = conversation.send(await self._call(self._predict, request))
            except StopIteration as end:
                return list(end.value)

    async def _call(self, method: Any, request: Any) -> Reply | Refusal:
        started_at = time.perf_counter()
        try:
            response = await method(
                request,
                timeout=self._options.timeout_s,
                metadata=self._metadata,
                wait_for_ready=self._options.wait_for_ready,
            )
        except grpc.aio.AioRpcError as error:
            return Refusal(error.code(), error.details() or "")
        return Reply(response, (time.perf_counter() - started_at) * 1000)


async def _batches(
    pictures: Iterable[Picture] | AsyncIterable[Picture], batch_size: int
) -> AsyncIterator[list[Source]]:
    batch: list[Source] = []
    position = 0
    async for picture in _as_they_come(pictures):
        position += 1
        batch.append(source_of(picture, position))
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


async def _as_they_come(
    pictures: Iterable[Picture] | AsyncIterable[Picture],
) -> AsyncIterator[Picture]:
    if isinstance(pictures, AsyncIterable):
        async for picture in pictures:
            yield picture
    else:
        for picture in pictures:
            yield picture
