"""Predict: converts input tensors to a session run, and fetched arrays to output tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import grpc
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.model_server.errors import ServingError, failed_precondition, invalid_argument
from serving.model_server.models.servable import (
    CLASSIFY_METHOD,
    PREDICT_METHOD,
    REGRESS_METHOD,
    Call,
    Signatures,
    signature_name,
)
from serving.model_server.tensors import to_array, to_proto

_METHODS = (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD)


def predict_call(
    request: PredictRequest, signatures: Signatures, *, check_method: bool
) -> tuple[Call, list[str]]:
    """Converts a request to a session run; returns it with the alias of each fetch.

    Without an output filter, all outputs are fetched. With `check_method`, the signature must have
    been made for Predict, Classify or Regress.

    Raises:
        ServingError: FAILED_PRECONDITION if there is no such signature, INVALID_ARGUMENT if inputs
            or outputs are not its own.
    """
    signature = _signature(request, signatures, check_method)
    _check_size(request, signature)
    feeds = []
    used = set()
    for alias in sorted(signature.inputs):
        if alias in request.inputs:
            proto = request.inputs[alias]
            used.add(alias)
        elif alias in _defaults(signature):
            proto = signature.defaults[alias]
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not "
                "found in request and no default value provided. Inputs expected to be in the "
                f"request {{{_joined(request.inputs)}}}, or default input alias set: "
                f"{_joined(_defaults(signature))}"
            )
        feeds.append((signature.inputs[alias].name, to_array(alias, proto)))
    if request.inputs and len(used) != len(request.inputs):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_joined(used)}, request input: "
            f"{_joined(request.inputs)}"
        )
    aliases = _wanted(request, signature)
    return Call(tuple(feeds), tuple(signature.outputs[alias].name for alias in aliases)), aliases


def predict_response(aliases: Iterable[str], arrays: Iterable[NDArray[Any]]) -> PredictResponse:
    """Builds the response from the fetched arrays and their aliases."""
    response = PredictResponse()
    for alias, array in zip(aliases, arrays, strict=True):
        response.outputs[alias].CopyFrom(to_proto(array))
    return response


def _signature(request: PredictRequest, signatures: Signatures, check_method: bool) -> SignatureDef:
    name = signature_name(request.model_spec)
    if name not in signatures:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    signature = signatures[name]
    if check_method and signature.method_name not in _METHODS:
        raise ServingError(
            grpc.StatusCode.INTERNAL,
            "Expected prediction signature method_name to be one of {"
            f"{', '.join(_METHODS)}}}. Was: {signature.method_name}",
        )
    return signature


def _check_size(request: PredictRequest, signature: SignatureDef) -> None:
    sent, known = set(request.inputs), set(signature.inputs)
    if len(sent) > len(known) or (len(sent) < len(known) and not _defaults(signature)):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(known)} "
            f"len({{{_joined(sent)}}}) != len({{{_joined(known)}}}). "
            f"Sent extra: {{{_joined(sent - known)}}}. "
            f"Missing but required: {{{_joined(known - sent)}}}."
        )


def _wanted(request: PredictRequest, signature: SignatureDef) -> list[str]:
    wanted: list[str] = []
    for alias in request.output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {{{_joined(signature.outputs)}}}."
            )
        if alias in wanted:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        wanted.append(alias)
    return wanted or sorted(signature.outputs)


def _defaults(signature: SignatureDef) -> Collection[str]:
    # Messages before TensorFlow 2.13 lack the field.
    return getattr(signature, "defaults", {})


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
