"""The input that Classify, Regress and MultiInference share: `tf.train.Example`s."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis.input_pb2 import Input

from serving.model_server.errors import invalid_argument
from serving.model_server.tensors import MAX_EXPANDED_BYTES

_EXAMPLE_BYTES = 200
"""What an example takes beside its content while it is taken out of its request."""


def serialized_examples(examples: Input) -> NDArray[Any]:
    """Returns the examples `(batch,)`, serialized, each behind the context they have in common.

    A serialized message behind another is the two merged, by the rules of protocol buffers.

    Raises:
        ServingError: INVALID_ARGUMENT where there are none, or the context of all of them comes to
            too much.
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
    """Writes a shape as TensorFlow's messages do."""
    return f"[{','.join(str(size) for size in array.shape)}]"
