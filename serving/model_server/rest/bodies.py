"""Reads request bodies within bounds of size, time and total memory."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serving.model_server.errors import ServingError, invalid_argument

_IDLE_S = 50.0
"""Longest pause of a client within a request, as in TensorFlow Serving."""

_LARGEST_AT_ONCE = 4
_GZIP = 16 + zlib.MAX_WBITS


class BodyReader:
    """Reads bodies of at most `max_bytes`, unpacked; at once, as many as four such bodies take."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._room = _LARGEST_AT_ONCE * max_bytes

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Yields a request's body, which takes up room until the context ends.

        Raises:
            HTTPException: 413 if the body is too long, 408 if the client pauses for long.
            ServingError: RESOURCE_EXHAUSTED if others take up all the room, INVALID_ARGUMENT if the
                body cannot be unpacked, CANCELLED if the client hangs up.
        """
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self._room += len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        too_large = HTTPException(413, f"The request is longer than {self._max_bytes} bytes")
        if int(request.headers.get("content-length", 0)) > self._max_bytes:
            raise too_large
        packed = "gzip" in request.headers.get("content-encoding", "")
        unpacker = zlib.decompressobj(_GZIP) if packed else None
        more = True
        while more:
            try:
                message = await asyncio.wait_for(request.receive(), _IDLE_S)
                chunk = message.get("body", b"")
                if unpacker is not None:
                    chunk = unpacker.decompress(chunk, self._max_bytes + 1 - len(body))
            except asyncio.TimeoutError:
                words = "The rest of the request did not arrive in time"
                raise HTTPException(408, words, {"connection": "close"}) from None
            except zlib.error as error:
                raise invalid_argument(f"The request is not gzip: {error}") from error
            if message["type"] == "http.disconnect":
                raise ServingError(grpc.StatusCode.CANCELLED, "The client hung up")
            if len(body) + len(chunk) > self._max_bytes:
                raise too_large
            if len(chunk) > self._room:
                words = "Other requests take up all the memory for requests; try again"
                raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
            self._room -= len(chunk)
            body += chunk
            more = message.get("more_body", False)
        if unpacker is not None and not unpacker.eof:
            raise invalid_argument("The request is not gzip: it ends too early")
