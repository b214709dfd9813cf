"""MultiInference: several classifications and regressions on the same examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from numpy.typing import NDArray
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest

from serving.model_server.errors import ServingError, invalid_argument
from serving.model_server.inference.classify import classify_result, classify_tensors
from serving.model_server.inference.regress import regress_result, regress_tensors
from serving.model_server.models.signature import (
    CLASSIFY_METHOD,
    REGRESS_METHOD,
    Signatures,
    signature_name,
)


def multi_tensors(
    request: MultiInferenceRequest, signatures: Signatures, *, check_method: bool
) -> tuple[str, list[str]]:
    """Returns the graph's names of the one input and of all outputs that the tasks need.

    Raises:
        ServingError: the tasks do not fit the model or each other.
    """
    model, input_name = "", ""
    seen: set[str] = set()
    outputs: set[str] = set()
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if model and model != task.model_spec.name:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        model = task.model_spec.name
        name = signature_name(task.model_spec)
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        task_input, task_outputs = _tensors_of(task)(signatures[name], check_method=check_method)
        if input_name and input_name != task_input:
            raise invalid_argument("Input tensor must be the same for all Signatures.")
        input_name = task_input
        outputs.update(task_outputs)
    return input_name, sorted(outputs)


def task_result(
    task: InferenceTask,
    signatures: Signatures,
    num_examples: int,
    tensors: Mapping[str, NDArray[Any]],
) -> dict[str, Any]:
    """Returns a task's result under its name in `InferenceResult`."""
    signature = signatures[signature_name(task.model_spec)]
    if task.method_name == CLASSIFY_METHOD:
        return {"classification_result": classify_result(signature, num_examples, tensors)}
    return {"regression_result": regress_result(signature, num_examples, tensors)}


def _tensors_of(task: InferenceTask) -> Any:
    if task.method_name == CLASSIFY_METHOD:
        return classify_tensors
    if task.method_name == REGRESS_METHOD:
        return regress_tensors
    raise ServingError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"Unsupported signature method_name: {task.method_name}",
    )
