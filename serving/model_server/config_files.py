"""Reads TensorFlow Serving's configuration files (protocol buffers in text format)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import text_format

from serving.model_server.errors import ServingError

Message = TypeVar("Message", bound=Any)


def read_text_proto(path: str, message: Message) -> Message:
    """Reads a file into `message` and returns it; raises `ServingError` with line and column."""
    try:
        text_format.Parse(Path(path).read_text(encoding="utf-8"), message)
    except OSError as error:
        raise ServingError(
            grpc.StatusCode.NOT_FOUND, f"{path}; {error.strerror or error}"
        ) from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT, f"Invalid protobuf file: '{path}': {error}"
        ) from error
    return message
