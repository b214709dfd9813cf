"""The layer table of a network: output sizes with formulas, parameters and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

Shape = tuple[int | None, ...]

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
_POOLS = (layers.MaxPooling2D, layers.AveragePooling2D)


@dataclass(frozen=True)
class WindowSize:
    """Output size of a window along one side: O = 1 + (W - K + P) / S, rounded down.

    P is the total padding, 2P in the usual formula: `same` may pad one side more than the other.
    """

    size: int
    """W, the input size."""
    kernel: int
    """K, the size of the window, including the gaps of a dilated one."""
    stride: int
    """S, from one place of the window to the next."""
    padding: Literal["same", "valid"]
    """`valid` pads nothing, `same` so that the result is ceil(W / S)."""

    @property
    def pads(self) -> tuple[int, int]:
        """Padding before and after; `same` puts the odd one after."""
        if self.padding == "valid":
            return 0, 0
        total = max((math.ceil(self.size / self.stride) - 1) * self.stride, 0)
        total = max(total + self.kernel - self.size, 0)
        return total // 2, total - total // 2

    @property
    def output(self) -> int:
        """O, the output size."""
        return 1 + (self.size - self.kernel + sum(self.pads)) // self.stride

    @property
    def formula(self) -> str:
        """The formula with its numbers, such as `1 + (227 - 11 + 0) / 4 = 55`."""
        before, behind = self.pads
        padded = f"2*{before}" if before == behind else f"{before} + {behind}"
        padded = padded if before or behind else "0"
        top = self.size - self.kernel + before + behind
        quotient = f"({self.size} - {self.kernel} + {padded}) / {self.stride}"
        if top % self.stride:
            quotient = f"floor({quotient})"
        return f"1 + {quotient} = {self.output}"


@dataclass(frozen=True)
class LayerRow:
    """A row of the table."""

    name: str
    kind: str
    """Keras class of the layer."""
    output: Shape
    """Output shape without the batch."""
    kernel: tuple[int, int] | None
    """Height and width of the window."""
    stride: tuple[int, int] | None
    """Vertical and horizontal."""
    padding: str
    """`same`, `valid`, or pixels added above and below, left and right."""
    parameters: int
    """Number of trainable and other weights."""
    multiply_adds: int
    """Multiplications of a weight and a value per image. Biases, pools, activations and
    normalisation are not counted."""
    formula: str
    """Formula of the output size; one per side where they differ."""


def all_layers(model: keras.Model) -> Iterator[layers.Layer]:
    """Yields every layer in data order, including those of nested models.

    A subclassed model, which is no graph of layers, counts as one layer.
    """
    for layer in model.layers:
        if getattr(layer, "inputs", None):
            yield from all_layers(layer)
        else:
            yield layer


def layer_rows(model: keras.Model) -> Iterator[LayerRow]:
    """Yields a row for each layer of a built model, including nested models; needs no weights."""
    yield from _rows(model, "")


def _rows(model: keras.Model, prefix: str) -> Iterator[LayerRow]:
    for layer in model.layers:
        if getattr(layer, "inputs", None):  # not a subclassed model, whose layers are unknown
            yield from _rows(layer, f"{prefix}{layer.name}/")
        else:
            yield _row(layer, f"{prefix}{layer.name}")


def _row(layer: layers.Layer, name: str) -> LayerRow:
    windows = _windows(layer)
    kernel = _kernel(layer)
    return LayerRow(
        name=name,
        kind=type(layer).__name__,
        output=_one_shape(layer.output)[1:],
        kernel=kernel,
        stride=tuple(layer.strides) if kernel else None,
        padding=_padding(layer),
        parameters=layer.count_params(),
        multiply_adds=_multiply_adds(layer),
        formula=_formula(layer, windows),
    )


def _one_shape(tensors: keras.KerasTensor | list[keras.KerasTensor]) -> Shape:
    """Returns the shape of a tensor, or of the first of several."""
    return tuple((tensors[0] if isinstance(tensors, list) else tensors).shape)


def _kernel(layer: layers.Layer) -> tuple[int, int] | None:
    if isinstance(layer, _CONVOLUTIONS):
        return tuple(layer.kernel_size)
    if isinstance(layer, _POOLS):
        return tuple(layer.pool_size)
    return None


def _windows(layer: layers.Layer) -> tuple[WindowSize, ...]:
    """Returns the window along height and width; nothing for layers without one or of open size."""
    kernel = _kernel(layer)
    if kernel is None:
        return ()
    dilation = getattr(layer, "dilation_rate", (1, 1))
    sizes = _one_shape(layer.input)[1:3]
    return tuple(
        WindowSize(size, (width - 1) * gap + 1, stride, layer.padding)
        for size, width, gap, stride in zip(sizes, kernel, dilation, layer.strides, strict=True)
        if size is not None
    )


def _padding(layer: layers.Layer) -> str:
    if isinstance(layer, layers.ZeroPadding2D):
        (top, bottom), (left, right) = layer.padding
        return f"{top}+{bottom}, {left}+{right}"
    return layer.padding if isinstance(layer, _CONVOLUTIONS + _POOLS) else ""


def _formula(layer: layers.Layer, windows: tuple[WindowSize, ...]) -> str:
    if isinstance(layer, layers.ZeroPadding2D):
        sizes = _one_shape(layer.input)[1:3]
        sums = [
            f"{size} + {before} + {behind} = {size + before + behind}"
            for size, (before, behind) in zip(sizes, layer.padding, strict=True)
            if size is not None
        ]
    elif isinstance(layer, layers.Flatten):
        shape = _one_shape(layer.input)[1:]
        sums = [f"{' * '.join(map(str, shape))} = {_one_shape(layer.output)[-1]}"]
    else:
        sums = [window.formula for window in windows]
    return "; ".join(dict.fromkeys(sums))


def _multiply_adds(layer: layers.Layer) -> int:
    output = _one_shape(layer.output)
    if isinstance(layer, layers.Dense):
        places = math.prod(size or 1 for size in output[1:-1])
        return places * math.prod(layer.kernel.shape)
    if not isinstance(layer, _CONVOLUTIONS):
        return 0
    # Every weight of a convolution is used once per place of its window.
    places = math.prod(size or 1 for size in output[1:3])
    kernels = (
        (layer.depthwise_kernel, layer.pointwise_kernel)
        if isinstance(layer, layers.SeparableConv2D)
        else (layer.kernel,)
    )
    return places * sum(math.prod(kernel.shape) for kernel in kernels)
