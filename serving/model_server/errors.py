"""Error type of all refused model server calls."""

from __future__ import annotations

import grpc


class ServingError(Exception):
    """Refused call, as a canonical gRPC status code and a message.

    The REST API maps the code to an HTTP status. Messages are TensorFlow Serving's, except for
    calls that only REST has.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """Returns the error for a request that can never succeed."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ServingError:
    """Returns the error for a request that the model or the server does not support."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)
