"""Request bodies, taken in as they arrive and never beyond their bounds."""

from __future__ import annotations

import asyncio
import time
import zlib

import grpc
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from serving.model_server.errors import ServingError

_IDLE_S = 50.0
"""How long a client may pause in the middle of a request; libevent's default, so TensorFlow
Serving's."""

_GZIP = 16 + zlib.MAX_WBITS


class ClientGoneError(Exception):
    """The client hung up before its request was complete."""


class ClientTooSlowError(Exception):
    """The client paused for too long in the middle of its request."""


class BodyTooLargeError(Exception):
    """A body beyond the bound; what is left of it is still to come."""


class BodyReader:
    """Reads bodies, all of them together within a bound.

    Args:
        max_bytes: longest body, also after it is unpacked.
        max_total_bytes: bytes of all the bodies that are being read or worked on.
    """

    def __init__(self, max_bytes: int, max_total_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._room = max_total_bytes

    async def read(self, receive: Receive, headers: Headers) -> bytes:
        """Reads a body; `release` must be called with it later.

        A body that says it is gzip and is not reads as empty, as with TensorFlow Serving.

        Raises:
            BodyTooLargeError: the body, or the size it announces, is beyond the bound.
            ClientGoneError, ClientTooSlowError: it did not arrive.
            ServingError: RESOURCE_EXHAUSTED where others take up all the room.
        """
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:18]) > self._max_bytes:
            raise BodyTooLargeError
        packed = "gzip" in headers.get("content-encoding", "")
        unpacker = zlib.decompressobj(_GZIP) if packed else None
        body = bytearray()
        broken = False
        try:
            more = True
            while more:
                message = await _next_message(receive, _IDLE_S)
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                more = message.get("more_body", False)
                chunk: bytes = message.get("body", b"")
                if unpacker is not None and not broken:
                    try:
                        chunk = unpacker.decompress(chunk, self._max_bytes + 1 - len(body))
                    except zlib.error:
                        broken = True
                if broken:
                    continue
                self._take(len(chunk))
                body += chunk
                if len(body) > self._max_bytes:
                    raise BodyTooLargeError
        except BaseException:
            self._room += len(body)
            raise
        if broken or (unpacker is not None and not unpacker.eof):
            self._room += len(body)
            return b""
        return bytes(body)

    def release(self, body: bytes) -> None:
        """Gives back the room of a body that is done with."""
        self._room += len(body)

    def _take(self, size: int) -> None:
        if size > self._room:
            raise ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "Other requests take up all the memory there is for request bodies; try again.",
            )
        self._room -= size


async def _next_message(receive: Receive, timeout_s: float) -> Message:
    """Waits for the next part of a request.

    Raises:
        ClientTooSlowError: nothing came in time.
    """
    try:
        return await asyncio.wait_for(receive(), timeout_s)
    except asyncio.TimeoutError as error:
        raise ClientTooSlowError from error


async def discard(receive: Receive, limit_s: float) -> None:
    """Lets the rest of a body go by, so that its sender gets to read the answer."""
    deadline = time.monotonic() + limit_s
    try:
        while (left_s := deadline - time.monotonic()) > 0:
            message = await _next_message(receive, left_s)
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
    except ClientTooSlowError:
        return
