"""Where a network looked: Grad-CAM, from the exported model alone.

After Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (https://arxiv.org/abs/1610.02391). The gradient is taken in the graph of the very
function that was evaluated, from the logits back to the last feature map, so that any network can
be looked into, whatever it was built with, and preprocessing is as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import _run_inline_graph_optimization

from trainer.export.signatures import EVAL_SIGNATURE

_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative", "_FusedConv2D"}
# What may stand between the last feature map and the last layer and makes it coarser, or nothing.
_PASSED_OVER = {"AvgPool", "Identity", "MaxPool"}


class NoSaliencyError(Exception):
    """There is nothing to show; the message says why, to follow `is not shown:`."""


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class Looked:
    """Where a network looked for the breeds that it named."""

    maps: NDArray[np.float32]
    """`(num_pictures, height, width)` in [0, 1] over what the network saw; 1 where most."""
    probabilities: NDArray[np.float32]
    """`(num_pictures, num_classes)`, in label order."""


def grad_cam(model: Any, examples: Sequence[bytes]) -> Looked:
    """Finds where a network looked.

    Of the feature maps of the last convolution, those that speak for the breed that was named are
    added up. Where the model averages over a picture and its mirror image, both are looked into.

    Args:
        model: the exported model, loaded.
        examples: serialized `tf.train.Example`s.

    Raises:
        NoSaliencyError: the network has no convolution, or its graph is of a kind that is not
            understood.
    """
    try:
        looks = _differentiable(model.signatures[EVAL_SIGNATURE])
        *maps, probabilities = (each.numpy() for each in looks(tf.constant(list(examples))))
    except (LookupError, ValueError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        raise NoSaliencyError(f"TensorFlow cannot differentiate this network: {reason}") from error
    if len(maps) > 1:  # the second is of the mirror image
        maps[1] = maps[1][:, :, ::-1]
    mean = np.mean(maps, axis=0)
    highest = mean.max(axis=(1, 2), keepdims=True)
    return Looked(
        maps=np.divide(mean, highest, out=np.zeros_like(mean), where=highest > 0),
        probabilities=probabilities,
    )


def _differentiable(evaluate: tf.types.experimental.ConcreteFunction) -> Any:
    """Makes a function from examples to one or two maps and the probabilities.

    A loaded model's function cannot be differentiated through, but its operations can, once those
    of the functions that it calls are written out in their place.
    """
    graph_def = _run_inline_graph_optimization(
        evaluate, lower_control_flow=False, aggressive_inlining=False
    )
    # What is still called, such as a loop's body, may have been changed under its old name, under
    # which TensorFlow knows the original: that does as well.
    originals = {
        each.signature.name: each for each in evaluate.graph.as_graph_def().library.function
    }
    for function in graph_def.library.function:
        if function.signature.name in originals:
            function.CopyFrom(originals[function.signature.name])
    captures = [(placeholder.name, held) for held, placeholder in evaluate.graph.captures]
    held_names = {name for name, _ in captures}
    [name] = (each.name for each in evaluate.inputs if each.name not in held_names)
    [answer] = (each.name for each in evaluate.outputs)

    def look(examples: tf.Tensor) -> list[tf.Tensor]:
        graph = examples.graph
        # Variables stay where they are: copied into the graph, large ones would take seconds.
        variables = {name: graph.capture(held) for name, held in captures}
        [probabilities] = tf.graph_util.import_graph_def(
            graph_def, input_map={name: examples, **variables}, return_elements=[answer]
        )
        named = tf.argmax(probabilities, axis=1)
        maps = [_map(logits, named) for logits in _logits(probabilities)]
        return [*maps, probabilities]

    return tf.compat.v1.wrap_function(look, [tf.TensorSpec((None,), tf.string)])


def _map(logits: tf.Tensor, named: tf.Tensor) -> tf.Tensor:
    """Builds `(batch, height, width)` of the last feature map, weighed by its mean gradients."""
    features = _last_feature_map(logits)
    [gradients] = tf.gradients(tf.gather(logits, named, batch_dims=1), features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    return tf.cast(tf.nn.relu(tf.reduce_sum(weights * features, axis=3)), tf.float32)


def _logits(probabilities: tf.Tensor) -> list[tf.Tensor]:
    """Finds what the probabilities were computed from: once, or also for the mirror image."""
    found = sorted(
        (each.op for each in _backwards(probabilities) if each.op.type == "Softmax"),
        key=lambda op: (len(op.name), op.name),  # Softmax, Softmax_1
    )
    if len(found) not in (1, 2):
        raise NoSaliencyError(f"its graph has {len(found)} softmax functions.")
    return [op.inputs[0] for op in found]


def _last_feature_map(logits: tf.Tensor) -> tf.Tensor:
    """Finds the feature map that is nearest to the logits, before it is pooled.

    Raises:
        NoSaliencyError: no convolution went into any.
    """
    for tensor in _backwards(logits):
        if tensor.dtype.is_floating and _is_map(tensor):
            while tensor.op.type in _PASSED_OVER:
                tensor = tensor.op.inputs[0]
            if any(each.op.type in _CONVOLUTIONS for each in _backwards(tensor)):
                return tensor
            break
    raise NoSaliencyError("the network has no convolution, so no place of its own in a picture.")


def _is_map(tensor: tf.Tensor) -> bool:
    """Says whether a tensor is `(batch, height, width, channels)` with more than one place."""
    shape = tensor.shape
    return shape.rank == 4 and tensor.op.type != "Const" and shape[1] != 1 and shape[2] != 1


def _backwards(start: tf.Tensor) -> Iterator[tf.Tensor]:
    """Walks from a tensor to what it was computed from, the nearest first."""
    seen, waiting = {start.ref()}, deque([start])
    while waiting:
        tensor = waiting.popleft()
        yield tensor
        for source in tensor.op.inputs:
            if source.ref() not in seen:
                seen.add(source.ref())
                waiting.append(source)
