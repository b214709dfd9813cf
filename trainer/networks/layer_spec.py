"""Parses and checks the list of layers of the `layers` network.

Three spellings are equivalent: `{conv: {filters: 64, kernel: 5}}`, the tuple `('C', [5, 5, 3, 64],
[1, 1, 1, 1])` of the system that the idea comes from, and that tuple as a YAML list.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from foundation.settings import Settings
from trainer.networks.base import both_ways

Size = Annotated[int, Field(ge=1, le=65536, strict=True)]
SizePair = Annotated[tuple[Size, Size], BeforeValidator(both_ways)]
"""Height and width; one number stands for both."""


class ConvLayer(Settings):
    """A convolution."""

    kind: Literal["conv"] = "conv"
    """What sort of layer this is."""
    filters: Size
    """Filters, which is to say channels of the result."""
    kernel: SizePair
    """Height and width of the window in pixels; one number stands for both."""
    stride: SizePair = (1, 1)
    """Steps of the window down and across in pixels; one number stands for both."""
    channels: Size | None = None
    """Channels that come in, where the spelling says so; checked against the layer before."""


class PoolLayer(Settings):
    """A max pool."""

    kind: Literal["pool"] = "pool"
    """What sort of layer this is."""
    window: SizePair
    """Height and width of the window in pixels; one number stands for both."""
    stride: SizePair
    """Steps of the window down and across in pixels; one number stands for both."""


class DenseLayer(Settings):
    """A dense layer."""

    kind: Literal["dense"] = "dense"
    """What sort of layer this is."""
    units: Size
    """Units, which is to say values of the result."""


LayerSpec = ConvLayer | PoolLayer | DenseLayer

Padding = Literal["same", "valid"]
"""What convolutions and pools do at the border: `same` adds zeros, `valid` stays inside."""


_WANTED_C = "['C', [height, width, in, out], [1, stride, stride, 1]]"
_WANTED_P = "['P', [1, height, width, 1], [1, stride, stride, 1]]"
_WANTED_F = "['F', units]"

_GROUPS: dict[str, type[LayerSpec]] = {"conv": ConvLayer, "pool": PoolLayer, "dense": DenseLayer}


def parse_layers(value: Any) -> list[LayerSpec]:
    """Parses a sequence of layers, or a string with one as a Python literal.

    Raises:
        ValueError: every mistake, each with the position of its layer, from 1.
    """
    value = _literal(value)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("must be a list of layers such as [{conv: {filters: 64, kernel: 5}}]")
    specs: list[LayerSpec] = []
    problems: list[str] = []
    for position, layer in enumerate(value, start=1):
        try:
            specs.append(parse_layer(layer))
        except ValueError as error:
            problems.append(f"layer {position}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return specs


def parse_layer(value: Any) -> LayerSpec:
    """Parses one layer.

    Raises:
        ValueError: the mistake, without the layer's position.
    """
    if isinstance(value, ConvLayer | PoolLayer | DenseLayer):
        return value
    value = _literal(value)
    if isinstance(value, dict):
        return _from_mapping(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], str):
        return _from_tuple(value[0], list(value[1:]))
    raise ValueError(
        f"wants a mapping such as {{dense: 64}} or a list such as {_WANTED_F}, got {value!r}"
    )


def _literal(value: Any) -> Any:
    """Parses a string as a Python literal, because YAML has no tuples."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"{value!r} cannot be read") from None


def _from_mapping(value: dict[Any, Any]) -> LayerSpec:
    if "kind" in value:  # a serialised layer of this module
        kind, options = value["kind"], {key: value[key] for key in value if key != "kind"}
    elif len(value) == 1:
        [(kind, options)] = value.items()
    else:
        raise ValueError(
            f"wants one of conv, pool and dense, got the keys {', '.join(map(str, value))}"
        )
    if kind not in _GROUPS:
        raise ValueError(f"there is no layer {kind!r}; there are conv, pool and dense")
    if kind == "dense" and isinstance(options, int):
        options = {"units": options}
    if not isinstance(options, dict):
        raise ValueError(f"{kind} wants options such as {_example(kind)}, got {options!r}")
    if kind == "pool" and "window" in options:
        options = {"stride": options["window"], **options}
    return _validated(kind, options)


def _example(kind: str) -> str:
    return {
        "conv": "{filters: 64, kernel: 5, stride: 1}",
        "pool": "{window: 3, stride: 2}",
        "dense": "{units: 64}",
    }[kind]


def _from_tuple(letter: str, values: list[Any]) -> LayerSpec:
    readers: dict[str, Callable[[list[Any]], LayerSpec]] = {
        "C": _from_c,
        "P": _from_p,
        "F": _from_f,
    }
    if letter not in readers:
        raise ValueError(f"there is no layer {letter!r}; there are 'C', 'P' and 'F'")
    return readers[letter](values)


def _from_c(values: list[Any]) -> LayerSpec:
    if [_length(value) for value in values] != [4, 4]:
        raise ValueError(f"a convolution is {_WANTED_C}, got {['C', *values]!r}")
    [height, width, channels, filters], strides = values
    return _validated(
        "conv",
        {
            "filters": filters,
            "kernel": (height, width),
            "channels": channels,
            "stride": _inner("strides", strides),
        },
    )


def _from_p(values: list[Any]) -> LayerSpec:
    if [_length(value) for value in values] != [4, 4]:
        raise ValueError(f"a pool is {_WANTED_P}, got {['P', *values]!r}")
    window, strides = values
    return _validated(
        "pool", {"window": _inner("window", window), "stride": _inner("strides", strides)}
    )


def _from_f(values: list[Any]) -> LayerSpec:
    if len(values) != 1 or _length(values[0]) is not None:
        raise ValueError(f"a dense layer is {_WANTED_F}, got {['F', *values]!r}")
    return _validated("dense", {"units": values[0]})


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list | tuple) else None


def _inner(what: str, values: Sequence[Any]) -> tuple[Any, Any]:
    """Returns height and width from four values over batch, height, width and channels."""
    if (values[0], values[3]) != (1, 1):
        raise ValueError(
            f"the {what} over batch and channels, first and last, must be 1, got {list(values)}"
        )
    return values[1], values[2]


def _validated(kind: str, options: dict[Any, Any]) -> LayerSpec:
    group = _GROUPS[kind]
    names = [name for name in group.model_fields if name != "kind"]
    try:
        return group.model_validate(options)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                problems.append(f"{kind} has no {key}; it has {', '.join(names)}")
            elif problem["type"] == "missing":
                problems.append(f"{kind} lacks {key}")
            else:
                problems.append(f"{kind}.{key}: {problem['msg']}, got {problem['input']!r}")
        raise ValueError("; ".join(problems)) from None


def check_layers(
    layers: Sequence[LayerSpec], shape: tuple[int, int, int], padding: Padding
) -> None:
    """Checks that each layer can follow the one before, from an image (height, width, channels).

    Raises:
        ValueError: the first layer that cannot follow those before it, by its position from 1.
    """
    height, width, channels = shape
    flat = False
    for position, layer in enumerate(layers, start=1):
        if isinstance(layer, DenseLayer):
            flat = True
            continue
        if flat:
            what = "convolution" if isinstance(layer, ConvLayer) else "pool"
            raise ValueError(
                f"layer {position}: a {what} cannot follow a dense layer, which leaves no picture"
            )
        window = layer.kernel if isinstance(layer, ConvLayer) else layer.window
        if isinstance(layer, ConvLayer):
            if layer.channels not in (None, channels):
                raise ValueError(
                    f"layer {position}: expects {layer.channels} channels, but "
                    f"{'the picture has' if position == 1 else 'the layer before gives'} {channels}"
                )
            channels = layer.filters
        if padding == "valid" and (window[0] > height or window[1] > width):
            raise ValueError(
                f"layer {position}: its window of {window[0]} x {window[1]} pixels is larger than "
                f"what is left of the picture, {height} x {width}"
            )
        height, width = (
            _size_after(size, kernel, stride, padding)
            for size, kernel, stride in zip((height, width), window, layer.stride, strict=True)
        )
    if not flat:
        raise ValueError(
            f"layer {len(layers)}: the last layer must be dense, with a unit for every breed"
        )


def _size_after(size: int, kernel: int, stride: int, padding: Padding) -> int:
    if padding == "same":
        return -(-size // stride)
    return 1 + (size - kernel) // stride
