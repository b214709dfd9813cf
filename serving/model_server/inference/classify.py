"""Classify: examples in, classes with their scores out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult

from serving.model_server.errors import failed_precondition, invalid_argument
from serving.model_server.inference.examples import debug_shape
from serving.model_server.models.signature import CLASSIFY_METHOD

_INPUTS, _CLASSES, _SCORES = "inputs", "classes", "scores"


def classify_tensors(signature: SignatureDef, *, check_method: bool) -> tuple[str, list[str]]:
    """Returns the graph's names of a signature's input and of its classes and scores.

    Raises:
        ServingError: the signature is no classification.
    """
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
    return signature.inputs[_INPUTS].name, outputs


def classify_result(
    signature: SignatureDef, num_examples: int, tensors: Mapping[str, NDArray[Any]]
) -> ClassificationResult:
    """Packs classes and scores, each `(num_examples, num_classes)`, one list an example.

    Args:
        signature: as given to `classify_tensors`.
        num_examples: in the request.
        tensors: the fetched arrays by their names in the graph.

    Raises:
        ServingError: INVALID_ARGUMENT where an array has another type or shape.
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
