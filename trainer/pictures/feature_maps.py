"""Feature maps: the outputs of chosen layers for one image."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from trainer.networks.layer_table import all_layers
from trainer.pictures.sheet import MAX_TILES, Section, Tile

_Found = dict[str, keras.KerasTensor]


def tap_layers(network: keras.Model, names: Collection[str]) -> tuple[keras.Model, list[str]]:
    """Builds a model that shares a network's layers and outputs the named ones.

    The output of a layer in a nested model belongs to that model's graph, not to the network's, so
    the network is called once more, with the same layers, and the outputs are collected.

    Returns:
        A model from images to a list of outputs, and the layers' names in the same order.
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
    """Returns a function to call in place of `layer`, which adds chosen outputs to `found`."""

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


_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
_PICTURE_COLUMNS = 5  # the image is drawn larger than its maps


class FeatureMaps:
    """Feature maps of one image in chosen layers.

    Layers are shared with the network, so that drawings show its current weights. The forward pass
    has no side effects: dropout is off, and running averages stay.

    Args:
        network: takes images `(batch, height, width, channels)` uint8.
        picture: `(height, width, channels)` uint8.
        layers: names; empty means the first and the last convolution, if any.

    Raises:
        ValueError: a named layer does not exist.
    """

    def __init__(
        self, network: keras.Model, picture: npt.NDArray[np.uint8], layers: Sequence[str] = ()
    ) -> None:
        self._picture = picture
        names = choose_layers(network, layers)
        self._taps: keras.Model | None = None
        self._names: list[str] = []
        if names:
            self._taps, self._names = tap_layers(network, names)

    def sections(self) -> list[Section]:
        """Draws one section per layer in data order, each with at most 64 maps."""
        if self._taps is None:
            return []
        outputs = self._taps(self._picture[None], training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        sections = []
        for name, output in zip(self._names, outputs, strict=True):
            values = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))[0]
            sections.append(_section(name, values))
        return sections

    def picture_section(self) -> Section:
        """Returns a section with the image itself."""
        return Section(
            name="picture",
            caption="The picture",
            tiles=[as_tile(self._picture)],
            columns=_PICTURE_COLUMNS,
        )


def choose_layers(network: keras.Model, names: Sequence[str]) -> list[str]:
    """Returns the named layers, or by default the first and the last convolution.

    Raises:
        ValueError: a named layer does not exist.
    """
    layers = [
        layer for layer in all_layers(network) if not isinstance(layer, keras.layers.InputLayer)
    ]
    there = [layer.name for layer in layers]
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"pictures.layers: the network has no layer '{name}'.{hint} "
                f"It has: {', '.join(there)}."
            )
    if names:
        return list(dict.fromkeys(names))
    convolutions = [layer.name for layer in layers if isinstance(layer, _CONVOLUTIONS)]
    return list(dict.fromkeys(convolutions[:1] + convolutions[-1:]))


def map_tiles(values: npt.NDArray[np.float32]) -> list[Tile]:
    """Converts maps `(height, width, maps)` float32 to grey tiles, each from black to white.

    A constant map, as of a filter that never fires, is black.
    """
    maps = np.nan_to_num(np.moveaxis(values, -1, 0))
    lowest = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - lowest
    return list(((maps - lowest) / np.where(span > 0, span, 1) * 255).round().astype(np.uint8))


def as_tile(picture: npt.NDArray[np.uint8]) -> Tile:
    """Drops the channel of a grey image `(height, width, 1)`."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _section(name: str, values: npt.NDArray[np.float32]) -> Section:
    if values.ndim != 3:  # a dense layer: all units in one map
        side = -(-values.size // max(1, int(values.size**0.5)))
        flat = np.zeros(side * -(-values.size // side), np.float32)
        flat[: values.size] = values.ravel()
        return Section(
            name=f"feature_maps/{name}",
            caption=f"{name}: {values.size} values, row by row",
            tiles=map_tiles(flat.reshape(-1, side, 1)),
            columns=_PICTURE_COLUMNS,
        )
    height, width, number = values.shape
    shown = f"{number}" if number <= MAX_TILES else f"{MAX_TILES} of {number}"
    return Section(
        name=f"feature_maps/{name}",
        caption=f"{name}: {shown} feature maps of {height} x {width}",
        tiles=map_tiles(values[..., :MAX_TILES]),
    )
