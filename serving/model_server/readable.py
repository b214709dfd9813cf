"""Refuses what is no request at all, and cuts answers that callers would not take.

gRPC answers bytes that are no message of the call's type with UNKNOWN, and writes a stack trace
into the log for each. And it sends a refusal's words in a header, for which callers have little
room: they take a longer one for an error of its own, and never learn what was wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError

_MAX_WORDS_BYTES = 6 * 1024
"""gRPC's clients take 8 KiB of headers."""
_PLAIN = "".join(chr(byte) for byte in range(0x20, 0x7F) if chr(byte) != "%")

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler | None"]]


class ReadableRequests(grpc.aio.ServerInterceptor):
    """Answers requests that cannot be read with INVALID_ARGUMENT, for calls without streams."""

    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Returns the handler of a call, behind the check."""
        checked = self._handlers.get(details.method)
        if checked is not None:
            return checked
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        checked = self._handlers[details.method] = _checked(handler)
        return checked


def _checked(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    def read(content: bytes) -> Any:
        try:
            return handler.request_deserializer(content)
        except DecodeError as error:
            return error

    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if isinstance(request, DecodeError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{request}")
        return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(answer, read, handler.response_serializer)


def sendable(words: str) -> str:
    """Cuts a message that repeats so much of a request that the caller would not take it."""
    if len(words) * 12 <= _MAX_WORDS_BYTES:  # a character is up to four bytes, of three each
        return words
    longest = _MAX_WORDS_BYTES
    while len(quote(words[:longest], safe=_PLAIN)) > _MAX_WORDS_BYTES:
        longest -= 256
    return words[:longest]
