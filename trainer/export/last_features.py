"""Exposes a network's penultimate features and last feature map."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

_ENDS_MAPS = (layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
# Layers that may come before those: they make the feature map coarser, or do nothing.
_PASSED_OVER = (layers.AveragePooling2D, layers.Dropout, layers.MaxPooling2D)


LOGITS, FEATURES, LAST_MAP, MIDDLE_MAP = "logits", "features", "last_map", "middle_map"
"""Outputs of `with_features`'s model."""
_MIDDLE = 1 / 3  # of the way from the picture to the last map: textures, no longer edges


def with_features(network: keras.Model) -> tuple[keras.Model, keras.Model | None]:
    """Builds a model of the same layers that also outputs its features.

    Args:
        network: any of `trainer.networks`, from images to logits `(batch, num_classes)`.

    Returns:
        A model from the same images to a dict of features `(batch, d)`, in the network's precision,
        logits, and, where there are any, feature maps `(batch, rows, columns, channels)`: one from
        early on, and the last before pooling; and a model from that last map to the logits. There
        is no last map without a convolution, nor where it is 1 x 1, nor where the logits depend on
        more than that map.
    """
    last = network.layers[-1]
    features: list[keras.KerasTensor] = []
    maps: list[keras.KerasTensor] = []
    passed: list[keras.KerasTensor] = []
    finer: dict[int, keras.KerasTensor] = {}
    pictures: set[int] = set()

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        answer = layer(*args, **kwargs)
        if layer is last:
            features.append(args[0])
        if layer.name == "normalise":
            pictures.add(id(answer))
        elif pictures and isinstance(answer, keras.KerasTensor) and len(answer.shape) == 4:
            passed.append(answer)
        if isinstance(layer, _PASSED_OVER):
            finer[id(answer)] = finer.get(id(args[0]), args[0])
        elif isinstance(layer, _ENDS_MAPS):
            maps.append(finer.get(id(args[0]), args[0]))
        return answer

    # The network is rebuilt, because a layer that was called twice has no single input.
    rebuilt = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    [seen] = features
    if len(seen.shape) > 2:  # where pooling is last
        seen = layers.Flatten(name="flat_features")(seen)
    outputs = {FEATURES: seen, LOGITS: rebuilt.outputs[0]}
    if passed:
        outputs[MIDDLE_MAP] = passed[int(len(passed) * _MIDDLE)]
    # Squeeze-and-excitation averages as well, but earlier. Without a convolution, what is flattened
    # is the picture itself.
    last_map = [
        each for each in maps[-1:] if id(each) not in pictures and each.shape[1:3] != (1, 1)
    ]
    behind = _behind(last_map[0], rebuilt.outputs[0]) if last_map else None
    if behind is not None:
        [outputs[LAST_MAP]] = last_map
    return keras.Model(rebuilt.input, outputs), behind


def _behind(last_map: keras.KerasTensor, logits: keras.KerasTensor) -> keras.Model | None:
    """Builds a model from the map to the logits; None where they depend on more than the map."""
    try:
        behind = keras.Model(last_map, logits)
        # Some versions of Keras notice only when it is called that a branch has no input, and not
        # even then where the shape is the very one that they know.
        behind(keras.KerasTensor((1, *last_map.shape[1:]), last_map.dtype))
    except (ValueError, KeyError):
        return None
    return behind
