"""What a network makes of a picture just before it names the breed."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

_ENDS_MAPS = (layers.Flatten, layers.GlobalAveragePooling2D)
# What may stand before those and makes the feature map coarser, or nothing.
_PASSED_OVER = (layers.AveragePooling2D, layers.Dropout, layers.MaxPooling2D)


def with_features(network: keras.Model) -> tuple[keras.Model, keras.Model | None]:
    """Builds a model of the same layers that also gives what the last of them see.

    Args:
        network: any of `trainer.networks`, from pictures to logits `(batch, num_classes)`.

    Returns:
        A model from the same pictures to features `(batch, d)`, in the network's precision, logits,
        and, where there is one, the last feature map `(batch, rows, columns, channels)`, before it
        is pooled; and a model from that map to the logits. There is none without a convolution, nor
        where it has but one place.
    """
    last = network.layers[-1]
    features: list[keras.KerasTensor] = []
    maps: list[keras.KerasTensor] = []
    finer: dict[int, keras.KerasTensor] = {}

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        answer = layer(*args, **kwargs)
        if layer is last:
            features.append(args[0])
        elif isinstance(layer, _PASSED_OVER):
            finer[id(answer)] = finer.get(id(args[0]), args[0])
        elif isinstance(layer, _ENDS_MAPS):
            maps.append(finer.get(id(args[0]), args[0]))
        return answer

    # The network is walked once more, because a layer that was called twice has no one input.
    rebuilt = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    has_convolution = any(isinstance(layer, layers.Conv2D) for layer in network.layers)
    # Squeeze-and-excitation averages as well, but earlier.
    last_map = [each for each in maps[-1:] if has_convolution and each.shape[1:3] != (1, 1)]
    model = keras.Model(rebuilt.input, [*features, *rebuilt.outputs, *last_map])
    return model, keras.Model(last_map, rebuilt.outputs) if last_map else None
