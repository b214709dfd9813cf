"""A backbone in a `.keras` file of anybody's: what can be read of it cheaply, and its layers.

A `.keras` file is an archive that holds the architecture as JSON and the weights as HDF5, so that
size and scaling of the input are known without Keras, which takes seconds to import.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    import keras

_ARCHITECTURE = "config.json"
_SCALING = {"Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply", "Subtract"}
_LEARNED = ("Conv", "Dense")  # what a class's name has that needs scaled pixels


@dataclass(frozen=True)
class KerasFile:
    """What the architecture in a `.keras` file says of the pictures that it takes."""

    input_px: int | None
    """Height and width in pixels; None where they are open or differ."""
    scales_pixels: bool
    """Whether it scales pixels itself, before its first layer with weights."""


def read_keras_file(path: Path) -> KerasFile:
    """Reads the architecture, without Keras.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no `.keras` file.
    """
    try:
        with ZipFile(path) as archive:
            layers = list(_layers(json.loads(archive.read(_ARCHITECTURE))))
    except (BadZipFile, KeyError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no .keras file: {error}") from error
    inputs = [layer for layer in layers if layer["class_name"] == "InputLayer"]
    shape: Sequence[int | None] = (inputs and inputs[0]["config"].get("batch_shape")) or ()
    height, width = (shape[1], shape[2]) if len(shape) == 4 else (None, None)
    return KerasFile(
        input_px=height if height == width else None, scales_pixels=_scales_pixels(layers)
    )


def _layers(architecture: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the layers in order, those of models inside the model too."""
    inner = architecture["config"].get("layers")
    if not isinstance(inner, list):
        yield architecture
        return
    for layer in inner:
        yield from _layers(layer)


def _scales_pixels(layers: list[Mapping[str, Any]]) -> bool:
    for layer in layers:
        if layer["class_name"] in _SCALING:
            return True
        if any(kind in layer["class_name"] for kind in _LEARNED):
            return False
    return False


def load_backbone(path: Path, *, with_weights: bool) -> keras.Model:
    """Loads the model in a `.keras` file and cuts off its top.

    Args:
        path: the file.
        with_weights: whether the weights in it are wanted, or only the architecture.

    Returns:
        A functional model from pictures to its last feature map, `(batch, height, width,
        channels)`, or to `(batch, channels)` where it pools inside a model of its own.

    Raises:
        ValueError: the file holds no model that Keras can load, or one that does not take pictures.
    """
    import keras

    try:
        if with_weights:
            model = keras.models.load_model(path, compile=False)
        else:
            with ZipFile(path) as archive:
                model = keras.saving.deserialize_keras_object(
                    json.loads(archive.read(_ARCHITECTURE))
                )
    except (ValueError, TypeError, KeyError, OSError, BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"trainer.network.backbone: {path} holds no model that Keras can load: {reason}"
        ) from error
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != 1 or len(model.outputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError(
            f"trainer.network.backbone: {path} must hold a functional or Sequential model from one "
            "picture (height, width, channels) to one output"
        )
    return keras.Model(inputs[0], _last_features(model))


def _last_features(model: keras.Model) -> keras.KerasTensor:
    """Walks from the output back to what the top was put on.

    That is what a global pool takes, or the last feature map of more than one place. A model that
    has neither on the way gives what its top takes, or what it gives itself.
    """
    from keras import layers

    pools = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
    made_by = {id(tensor): layer for layer in model.layers for tensor in _outputs(layer)}
    tensor = model.outputs[0]
    while True:
        layer = made_by.get(id(tensor))
        if isinstance(layer, pools):
            return layer.input
        is_map = len(tensor.shape) == 4 and any(size != 1 for size in tensor.shape[1:3])
        if is_map or layer is None or not _single(layer):
            return tensor
        tensor = layer.input


def _outputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    try:
        return [layer.output]
    except (AttributeError, ValueError):  # used at several places
        return []


def _single(layer: keras.layers.Layer) -> bool:
    from keras import layers

    return not isinstance(layer, layers.InputLayer) and not isinstance(layer.input, list)


def put_behind(
    model: keras.Model, pixels: keras.KerasTensor, taken: tuple[str, ...], *, with_weights: bool
) -> tuple[keras.KerasTensor, list[keras.layers.Layer]]:
    """Puts layers like those of a model behind pixels, for another model to consist of.

    Args:
        model: a functional model with one input and one output.
        pixels: what they are to take, of the same rank and number of channels as its input.
        taken: names that they cannot have, and then get another one.
        with_weights: whether they get the model's weights.

    Returns:
        What the layers make of the pixels, and the layers.

    Raises:
        ValueError: they cannot take pixels of that shape.
    """
    import keras

    copies: dict[keras.layers.Layer, keras.layers.Layer] = {}
    made = pixels

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer not in copies:
            config = layer.get_config()
            if layer.name in taken:
                config["name"] = f"backbone_{layer.name}"
            copies[layer] = type(layer).from_config(config)
        return copies[layer]

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made = layer(*args, **kwargs)  # the last call makes the output
        return made

    # The clone itself would begin with an input of its own: only the calls are wanted.
    keras.models.clone_model(model, input_tensors=pixels, clone_function=copy, call_function=call)
    if with_weights:
        for layer, copied in copies.items():
            copied.set_weights(layer.get_weights())
    return made, list(copies.values())
