"""Builds the requests for a batch of images and interprets the replies.

No I/O happens here: `exchange` yields requests and is sent the replies, so that the blocking and
the asyncio client share it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from serving.client.load import Loaded
from serving.client.messages_pb2 import GetModelStatusRequest, PredictRequest
from serving.client.options import (
    ClientError,
    ClientOptions,
    ModelNotFoundError,
    ServerUnavailableError,
)
from serving.client.prediction import Guess, Prediction, VersionStatus
from serving.client.tensors import (
    UnexpectedTensorError,
    bools,
    rows_of_floats,
    rows_of_strings,
    strings_to_tensor,
)

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

_SIGNATURE = "serving_default"
_MAX_REQUEST_BYTES = 31 << 20  # larger batches are sent in parts
_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_NODE = re.compile(r"\{\{function_node [^}]*\}\}|\[\[\{\{node.*", re.DOTALL)
_NO_SUCH_LABEL = "servable version label"  # TensorFlow Serving's INVALID_ARGUMENT

# Statuses caused by the images sent: others may succeed.
_TROUBLE_WITH_BATCH = frozenset(
    (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
)
# Statuses that every call gets, whatever is sent.
_TROUBLE_WITH_ALL = frozenset(
    (
        *(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND),
        *(grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.FAILED_PRECONDITION),
        *(grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED),
    )
)


@dataclass(frozen=True)
class Reply:
    """Response of the server to a request."""

    response: Any
    latency_ms: float


@dataclass(frozen=True)
class Refusal:
    """gRPC status of a failed call."""

    code: grpc.StatusCode
    details: str


Exchange = Generator[Any, Reply | Refusal, list[Prediction]]


def exchange(pictures: Sequence[Loaded], options: ClientOptions) -> Exchange:
    """Generates the `PredictRequest`s of one batch; returns a prediction for each image, in order.

    The outcome of each request must be sent back. A refused batch is sent again one image at a
    time, so that only the bad one fails; images that could not be loaded are not sent.

    Raises:
        ClientError: calls are refused whatever is sent.
    """
    predictions = {
        position: Prediction(picture.name, error=picture.error)
        for position, picture in enumerate(pictures)
        if picture.error is not None
    }
    to_send = [position for position in range(len(pictures)) if position not in predictions]
    for part in _parts(to_send, pictures):
        outcome = yield _request((pictures[position] for position in part), options)
        if isinstance(outcome, Refusal) and outcome.code in _TROUBLE_WITH_BATCH and len(part) > 1:
            _raise_if_hopeless(outcome, options)
            for position in part:
                outcome = yield _request((pictures[position],), options)
                (predictions[position],) = _predictions([pictures[position].name], outcome, options)
        else:
            names = [pictures[position].name for position in part]
            predictions.update(zip(part, _predictions(names, outcome, options), strict=True))
    return [predictions[position] for position in range(len(pictures))]


def status_request(options: ClientOptions) -> Any:
    """Builds the `GetModelStatusRequest` for the model that `options` names."""
    request = GetModelStatusRequest()
    _name_model(request.model_spec, options)
    return request


def read_status(response: Any) -> list[VersionStatus]:
    """Reads the versions from a `GetModelStatusResponse`, newest first."""
    return [
        VersionStatus(
            version=status.version,
            state=_STATES.get(status.state, "UNKNOWN"),
            error=status.status.error_message or None,
        )
        for status in sorted(response.model_version_status, key=lambda status: -status.version)
    ]


def error_of(refusal: Refusal, options: ClientOptions) -> ClientError:
    """Converts a refusal that concerns more than one image to a `ClientError`."""
    reason = _plain(refusal.details) or refusal.code.name
    if refusal.code is grpc.StatusCode.UNAVAILABLE:
        if "handshake" in reason.lower():
            return ServerUnavailableError(
                f"The server at {options.server} was not trusted, or does not trust this client: "
                f"{reason}. --ca, --cert, --key and --server-name say who is to be trusted."
            )
        return ServerUnavailableError(
            f"No model server is available at {options.server}: {reason}. Start one with 'dogbreed "
            "serve', or name another address with --server."
        )
    if refusal.code is grpc.StatusCode.NOT_FOUND or _NO_SUCH_LABEL in reason:
        which = f"model {options.model!r}"
        if options.version is not None:
            which = f"version {options.version} of {which}"
        if options.label is not None:
            which = f"{which} under the label {options.label!r}"
        return ModelNotFoundError(
            f"The server at {options.server} does not serve {which}: {reason}. Name another with "
            "--model, --version or --label."
        )
    return ClientError(f"The server at {options.server} refuses: {reason} ({refusal.code.name}).")


def not_loaded(versions: Sequence[VersionStatus], options: ClientOptions) -> ClientError:
    """Says in which state a server has a model of which it serves no version yet."""
    states = ", ".join(
        f"version {each.version} is {each.state}" + (f" ({each.error})" if each.error else "")
        for each in versions
    )
    return ModelNotFoundError(
        f"The server at {options.server} has not loaded model {options.model!r}: "
        f"{states or 'it has no version of it'}."
    )


def _parts(positions: Sequence[int], pictures: Sequence[Loaded]) -> Iterator[list[int]]:
    part: list[int] = []
    num_bytes = 0
    for position in positions:
        size = len(pictures[position].data)
        if part and num_bytes + size > _MAX_REQUEST_BYTES:
            yield part
            part, num_bytes = [], 0
        part.append(position)
        num_bytes += size
    if part:
        yield part


def _request(pictures: Iterable[Loaded], options: ClientOptions) -> Any:
    request = PredictRequest()
    _name_model(request.model_spec, options)
    request.model_spec.signature_name = _SIGNATURE
    tensor = strings_to_tensor([picture.data for picture in pictures])
    request.inputs["pictures"].CopyFrom(tensor)
    return request


def _name_model(model_spec: Any, options: ClientOptions) -> None:
    model_spec.name = options.model
    if options.version is not None:
        model_spec.version.value = options.version
    if options.label is not None:
        model_spec.version_label = options.label


def _raise_if_hopeless(refusal: Refusal, options: ClientOptions) -> None:
    if refusal.code in _TROUBLE_WITH_ALL or _NO_SUCH_LABEL in refusal.details:
        raise error_of(refusal, options)
    if refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED and options.wait_for_ready:
        absent = Refusal(grpc.StatusCode.UNAVAILABLE, _reason(refusal, options))
        raise error_of(absent, options)  # the server did not come up in time


def _predictions(
    names: Sequence[str], outcome: Reply | Refusal, options: ClientOptions
) -> list[Prediction]:
    if isinstance(outcome, Refusal):
        _raise_if_hopeless(outcome, options)
        return [Prediction(name, error=_reason(outcome, options)) for name in names]
    response = outcome.response
    outputs = dict(response.outputs)  # the protobuf map would create missing keys
    try:
        breeds = rows_of_strings(outputs["breeds"])
        probabilities = rows_of_floats(outputs["probabilities"])
        # A model that was exported by an earlier version does not say.
        known = bools(outputs["is_known"]) if "is_known" in outputs else [None] * len(names)
        return [
            Prediction(
                name,
                tuple(map(Guess, some_breeds, some_probabilities))[: options.top],
                version=response.model_spec.version.value,
                latency_ms=outcome.latency_ms,
                is_known=is_known,
            )
            for name, some_breeds, some_probabilities, is_known in zip(
                names, breeds, probabilities, known, strict=True
            )
        ]
    except (KeyError, ValueError, UnexpectedTensorError) as error:
        raise ClientError(
            f"Model {options.model!r} at {options.server} does not name breeds: expected the "
            f"outputs breeds and probabilities, one row a picture, and is_known, if at all, one "
            f"value ({error})."
        ) from None


def _reason(refusal: Refusal, options: ClientOptions) -> str:
    if refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {options.timeout_s:g} s"
    return f"the server refuses it: {_plain(refusal.details) or refusal.code.name}"


def _plain(details: str) -> str:
    """Returns a status message in one line, without graph node names; of several, the last."""
    text = _NODE.sub("", details).rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
    return " ".join(text.split()).rstrip(". ")
