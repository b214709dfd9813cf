"""Reads what comes out of chosen layers, however deep in nested models they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import keras

_Found = dict[str, keras.KerasTensor]


def tap_layers(network: keras.Model, names: Collection[str]) -> tuple[keras.Model, list[str]]:
    """Builds a model that shares the network's layers and ends at the chosen ones.

    An output inside a nested model belongs to that model's own graph, not to the network's: so the
    network is walked once more, with the same layers, and what the chosen ones give is kept.

    Args:
        network: a functional or sequential model.
        names: names of layers that it or a model within it has.

    Returns:
        A model from pictures to a list of outputs, and the layers' names in the order of that list.
    """
    found: _Found = {}
    if isinstance(network, keras.Sequential):
        inputs = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)
        _walk(network, names, found)(inputs)
    else:
        [inputs] = _rebuilt(network, names, found).inputs
    return keras.Model(inputs, list(found.values())), list(found)


def _rebuilt(model: keras.Model, names: Collection[str], found: _Found) -> keras.Model:
    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return _walk(layer, names, found)(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _walk(layer: keras.layers.Layer, names: Collection[str], found: _Found) -> Callable[..., Any]:
    """Returns what to call in the place of `layer`; it adds chosen outputs to `found`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            output = args[0]
            for inner in layer.layers:
                output = _walk(inner, names, found)(output)
        elif isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
            inside: _Found = {}
            rebuilt = _rebuilt(layer, names, inside)
            ends = keras.Model(rebuilt.inputs[0], [*inside.values(), rebuilt.outputs[0]])
            *outputs, output = ends(*args, **kwargs)
            found.update(zip(inside, outputs, strict=True))
        else:
            output = layer(*args, **kwargs)
        if layer.name in names:
            found[layer.name] = output
        return output

    return call
