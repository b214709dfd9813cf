"""Draws first-layer filters as images."""

from __future__ import annotations

import math
from typing import Literal

import keras
import numpy as np
import numpy.typing as npt

from trainer.networks.layer_table import all_layers
from trainer.pictures.sheet import MAX_TILES, Section, Tile

Scale = Literal["each", "all"]
"""Scale of the weights: `each` filter by its own largest weight, which shows weak patterns too, or
`all` by the largest of all, which shows relative strength."""

_SCALE_IN_WORDS = {"each": "each on its own scale", "all": "all on one scale"}
_GREY = 127.5  # a weight of 0


def filter_section(network: keras.Model, scale: Scale = "each") -> Section | None:
    """Draws a grid of the filters that see the pixels.

    Args:
        network: takes images `(batch, height, width, channels)`. Its first layer with a kernel is a
            convolution, possibly in a nested backbone, or a dense layer over all pixels, which
            gives one template per unit.
        scale: scale of the weights.

    Returns:
        The grid, or None if the first layer with a kernel has another input than pixels.
    """
    layer = next((layer for layer in all_layers(network) if _kernel_of(layer) is not None), None)
    if layer is None:
        return None
    kernel = _as_filters(_kernel_of(layer), network.input_shape[1:])
    if kernel is None:
        return None
    height, width, _, number = kernel.shape
    shown = f"{number}" if number <= MAX_TILES else f"{MAX_TILES} of {number}"
    return Section(
        name=f"filters/{layer.name}",
        caption=f"{layer.name}: {shown} filters of {height} x {width}, "
        f"{_SCALE_IN_WORDS[scale]}, grey is 0",
        tiles=filter_tiles(kernel, scale)[:MAX_TILES],
    )


def filter_tiles(kernel: npt.NDArray[np.float32], scale: Scale = "each") -> list[Tile]:
    """Converts weights to tiles: 0 is mid-grey, positive is brighter, negative darker.

    Args:
        kernel: `(height, width, channels, filters)` float32. Three channels give RGB tiles, any
            other number the mean over channels in grey.
        scale: scale of the weights.
    """
    weights = np.nan_to_num(np.moveaxis(kernel, -1, 0).astype(np.float32))
    if weights.shape[-1] != 3:
        weights = weights.mean(axis=-1)  # (filters, height, width)
    axes = tuple(range(1, weights.ndim)) if scale == "each" else None
    return list(signed_to_grey(weights, axes))


def signed_to_grey(
    values: npt.NDArray[np.float32], axes: tuple[int, ...] | None
) -> npt.NDArray[np.uint8]:
    """Maps 0 to mid-grey and the largest absolute value over `axes` to black or white: uint8."""
    largest = np.abs(values).max(axis=axes, keepdims=True)
    grey = _GREY + _GREY * values / np.where(largest > 0, largest, 1)
    return grey.round().astype(np.uint8)


def _kernel_of(layer: keras.layers.Layer) -> keras.Variable | None:
    return getattr(layer, "kernel", None)


def _as_filters(
    kernel: keras.Variable, picture_shape: tuple[int | None, ...]
) -> npt.NDArray[np.float32] | None:
    """Returns a kernel of a convolution or dense layer as `(height, width, channels, filters)`."""
    weights = keras.ops.convert_to_numpy(kernel)
    if weights.ndim == 4:
        return weights
    known = [size for size in picture_shape if size is not None]
    if weights.ndim == 2 and len(known) == 3 and math.prod(known) == weights.shape[0]:
        return weights.reshape(*known, weights.shape[1])
    return None
