"""Classify, Regress and MultiInference: `tf.train.Example` inputs and their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.errors import ServingError, failed_precondition, invalid_argument
from serving.model_server.models.servable import (
    CLASSIFY_METHOD,
    REGRESS_METHOD,
    Signatures,
    signature_name,
)
from serving.model_server.tensors import MAX_EXPANDED_BYTES

_EXAMPLE_BYTES = 200
"""Memory overhead of an example while it is extracted from its request."""


def serialized_examples(examples: Input) -> NDArray[Any]:
    """Returns the serialized examples `(batch,)`, each prefixed with the shared context.

    Protocol buffers parse concatenated messages as their merge.

    Raises:
        ServingError: INVALID_ARGUMENT if there are none, or the repeated context is too large.
    """
    kind = examples.WhichOneof("kind")
    if kind == "example_list_with_context":
        context = examples.example_list_with_context.context.SerializeToString()
        found = examples.example_list_with_context.examples
    else:
        context, found = b"", examples.example_list.examples
    if not found:
        raise invalid_argument("Input is empty.")
    if (len(context) + _EXAMPLE_BYTES) * len(found) > MAX_EXPANDED_BYTES:
        raise invalid_argument(
            f"Input has {len(found)} examples with a context of {len(context)} bytes, which would "
            f"come to more than {MAX_EXPANDED_BYTES} bytes."
        )
    array = np.empty(len(found), dtype=object)
    array[:] = [context + example.SerializeToString() for example in found]
    return array


def debug_shape(array: NDArray[Any]) -> str:
    """Formats a shape as TensorFlow's messages do."""
    return f"[{','.join(str(size) for size in array.shape)}]"


_INPUTS, _CLASSES, _SCORES = "inputs", "classes", "scores"


def classify_tensors(signature: SignatureDef, *, check_method: bool) -> tuple[list[str], list[str]]:
    """Returns a classification's graph names of input and outputs, or raises `ServingError`."""
    if check_method and signature.method_name != CLASSIFY_METHOD:
        raise invalid_argument(
            "Expected classification signature method_name to be "
            f"{CLASSIFY_METHOD}. Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if _INPUTS not in signature.inputs:
        raise failed_precondition(
            f"No classification inputs found in SignatureDef: {signature}",
        )
    outputs = [
        signature.outputs[alias].name for alias in (_CLASSES, _SCORES) if alias in signature.outputs
    ]
    if not outputs:
        raise failed_precondition(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}',
        )
    return [signature.inputs[_INPUTS].name], outputs


def classify_result(
    signature: SignatureDef, num_examples: int, tensors: Mapping[str, NDArray[Any]]
) -> ClassificationResult:
    """Packs classes and scores, each `(num_examples, num_classes)`, one list per example.

    `tensors` are the fetched arrays by graph name.

    Raises:
        ServingError: INVALID_ARGUMENT if an array has another type or shape.
    """
    classes, scores = (
        tensors[signature.outputs[alias].name] if alias in signature.outputs else None
        for alias in (_CLASSES, _SCORES)
    )
    if classes is not None:
        _check(classes, _CLASSES, np.dtype(object), "DT_STRING", num_examples)
    if scores is not None:
        _check(scores, _SCORES, np.dtype(np.float32), "DT_FLOAT", num_examples)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    result = ClassificationResult()
    present = classes if classes is not None else scores
    assert present is not None
    for example in range(num_examples):
        classifications = result.classifications.add()
        for place in range(present.shape[1]):
            entry = classifications.classes.add()
            if classes is not None:
                entry.label = classes[example, place]
            if scores is not None:
                entry.score = scores[example, place]
    return result


def _check(
    array: NDArray[Any], name: str, dtype: np.dtype[Any], type_name: str, num_examples: int
) -> None:
    if array.ndim != 2:
        raise invalid_argument(
            "Expected Tensor shape: [batch_size num_classes] but got " + debug_shape(array)
        )
    if array.dtype != dtype:
        raise invalid_argument(
            f"Expected {name} Tensor of {type_name}. Got: {data_type_name(array)}"
        )
    if len(array) != num_examples:
        raise invalid_argument(
            f"Expected {name} output batch size of {num_examples}. Got: {len(array)}"
        )


def data_type_name(array: NDArray[Any]) -> str:
    """Returns the name of an array's type in TensorFlow's `DataType`."""
    dtype = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
    return types_pb2.DataType.Name(dtype.as_datatype_enum)


_OUTPUTS = "outputs"


def regress_tensors(signature: SignatureDef, *, check_method: bool) -> tuple[list[str], list[str]]:
    """Returns a regression's graph names of input and output, or raises `ServingError`."""
    if check_method and signature.method_name != REGRESS_METHOD:
        raise invalid_argument(
            "Expected regression signature method_name to be "
            f"{REGRESS_METHOD}. Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for alias, present, what in (
        (_INPUTS, signature.inputs, "inputs"),
        (_OUTPUTS, signature.outputs, "outputs"),
    ):
        if alias not in present:
            raise failed_precondition(
                f"No regression {what} found in SignatureDef: {signature}",
            )
    return [signature.inputs[_INPUTS].name], [signature.outputs[_OUTPUTS].name]


def regress_result(
    signature: SignatureDef, num_examples: int, tensors: Mapping[str, NDArray[Any]]
) -> RegressionResult:
    """Packs the float32 output, `(num_examples,)` or `(num_examples, 1)`, one value per example.

    Raises:
        ServingError: INVALID_ARGUMENT if the array has another type or shape.
    """
    output = tensors[signature.outputs[_OUTPUTS].name]
    if not (output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            + debug_shape(output)
        )
    if len(output) != num_examples:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {num_examples} vs. {len(output)}"
        )
    if output.dtype != np.float32:
        raise invalid_argument(
            f"Expected output Tensor of DT_FLOAT.  Got: {data_type_name(output)}"
        )
    result = RegressionResult()
    for value in output.ravel().tolist():
        result.regressions.add(value=value)
    return result


def multi_tensors(
    request: MultiInferenceRequest, signatures: Signatures, *, check_method: bool
) -> tuple[list[str], list[str]]:
    """Returns the graph names of inputs and outputs; raises `ServingError` if tasks do not fit.

    There may be several inputs: TensorFlow 2 exports each signature with one of its own.
    """
    model = ""
    seen: set[str] = set()
    inputs: set[str] = set()
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
        inputs.update(task_input)
        outputs.update(task_outputs)
    return sorted(inputs), sorted(outputs)


def task_result(
    task: InferenceTask,
    signatures: Signatures,
    num_examples: int,
    tensors: Mapping[str, NDArray[Any]],
) -> dict[str, Any]:
    """Returns a task's result, keyed by its field in `InferenceResult`."""
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
