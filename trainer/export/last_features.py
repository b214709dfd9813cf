"""What a network makes of a picture just before it names the breed."""

from __future__ import annotations

from typing import Any

import keras

_LAST_LAYER = "logits"  # every network's


def with_features(network: keras.Model) -> keras.Model:
    """Builds a model of the same layers that also gives what the last of them sees.

    Args:
        network: any of `trainer.networks`, from pictures to logits `(batch, num_classes)`.

    Returns:
        A model from the same pictures to features `(batch, d)`, in the network's precision, and
        logits.
    """
    seen: list[keras.KerasTensor] = []

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        if layer.name == _LAST_LAYER:
            seen.append(args[0])
        return layer(*args, **kwargs)

    # The network is walked once more, because a layer that was called twice has no one input.
    rebuilt = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    return keras.Model(rebuilt.input, [*seen, *rebuilt.outputs])
