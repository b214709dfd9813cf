"""Answers of the REST API as HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from starlette.types import Receive, Send

from serving.model_server.rest.body import discard
from serving.model_server.rest.json_text import error_body

HTTP_STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""TensorFlow Serving's HTTP status for each canonical code."""

_REASONS = {400: "Bad Request", 404: "Not Found", 501: "Not Implemented"}

_LINGER_S = 2.0
"""How long the rest of a refused body is let in, so that its sender gets to read why."""


@dataclass(frozen=True)
class Answer:
    """Status, body and what goes with them."""

    status: int
    body: bytes
    content_type: str = "application/json"
    close: bool = False


def html_error(status: int) -> Answer:
    """Answers as libevent does what TensorFlow Serving does not take up."""
    reason = _REASONS[status]
    page = (
        f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n"
        f"<H1>{reason}</H1>\n</BODY></HTML>\n"
    )
    return Answer(status, page.encode(), "text/html", close=True)


async def refuse(receive: Receive, send: Send, status: int, message: str) -> None:
    """Sends an error while a body is still arriving."""
    await send_answer(send, Answer(status, error_body(message), close=True), more=True)
    await discard(receive, _LINGER_S)
    await send({"type": "http.response.body"})


async def send_answer(send: Send, answer: Answer, *, more: bool = False) -> None:
    """Sends an answer; with `more`, the caller ends it."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": more})
