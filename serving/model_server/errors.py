"""The one error that every remote call of the model server ends with."""

from __future__ import annotations

import grpc


class ServingError(Exception):
    """A call that is refused, as a gRPC status.

    Args:
        code: canonical status code; the REST API translates it to an HTTP status.
        message: the status message. Where gRPC has the call too, its words are TensorFlow
            Serving's.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """Returns the error of a request that can never succeed."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ServingError:
    """Returns the error of a request that the model or the server is not made for."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)
