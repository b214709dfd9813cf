"""Regress: examples in, one number for each out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.errors import failed_precondition, invalid_argument
from serving.model_server.inference.classify import data_type_name
from serving.model_server.inference.examples import debug_shape
from serving.model_server.models.signature import REGRESS_METHOD

_INPUTS, _OUTPUTS = "inputs", "outputs"


def regress_tensors(signature: SignatureDef, *, check_method: bool) -> tuple[str, list[str]]:
    """Returns the graph's names of a signature's input and of its one output.

    Raises:
        ServingError: the signature is no regression.
    """
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
    return signature.inputs[_INPUTS].name, [signature.outputs[_OUTPUTS].name]


def regress_result(
    signature: SignatureDef, num_examples: int, tensors: Mapping[str, NDArray[Any]]
) -> RegressionResult:
    """Packs the output, `(num_examples,)` or `(num_examples, 1)` float32, one value an example.

    Raises:
        ServingError: INVALID_ARGUMENT where the array has another type or shape.
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
