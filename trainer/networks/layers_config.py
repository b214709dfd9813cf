"""Settings of the network that is a list: its layers, checked against the picture they get.

Neither TensorFlow nor Keras is imported here: the command line lists the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from trainer.networks.base import InputSize, Normalisation, SizedNetworkSettings
from trainer.networks.layer_spec import (
    ConvLayer,
    DenseLayer,
    LayerSpec,
    PoolLayer,
    parse_layers,
)

Padding = Literal["same", "valid"]
Activation = Literal[
    "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "gelu", "leaky_relu", "silu", "linear"
]

_EXAMPLE: tuple[LayerSpec, ...] = (
    ConvLayer(filters=64, kernel=(5, 5), channels=3),
    PoolLayer(window=(3, 3), stride=(2, 2)),
    ConvLayer(filters=64, kernel=(5, 5), channels=64),
    PoolLayer(window=(3, 3), stride=(2, 2)),
    DenseLayer(units=64),
    DenseLayer(units=16),
    DenseLayer(units=2),
)


class LayersConfig(SizedNetworkSettings):
    """A network that is a list in the configuration: convolutions, pools, dense layers."""

    source: ClassVar[str] = "CNN built from a list; cats and dogs of CIFAR-10"

    name: Literal["layers"] = "layers"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (32, 32)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 3
    """3 for RGB, 1 for grey-scale."""
    padding: Padding = "same"
    """What convolutions and pools do at the border: `same` adds zeros, `valid` stays inside."""
    activation: Activation = "relu"
    """Behind every convolution and every dense layer but the last."""
    local_response: bool = True
    """Normalise every pool's result over neighbouring channels."""
    conv_sd: float = Field(default=0.05, gt=0)
    """Standard deviation of a convolution's first weights, truncated normal; its biases are 0."""
    dense_sd: float = Field(default=0.04, gt=0)
    """Standard deviation of a dense layer's first weights, truncated normal."""
    dense_bias: float = 0.1
    """First value of a dense layer's biases."""
    dropout: float = Field(default=0, ge=0, lt=1)
    """Share of the units of every dense layer but the last dropped while training."""
    layers: tuple[LayerSpec, ...] = Field(default=_EXAMPLE, validate_default=True)
    """The layers, first to last: `{conv: {filters: 64, kernel: 5, stride: 1}}`, `{pool: {window: 3,
    stride: 2}}`, `{dense: 64}`, or tuples such as `['C', [5, 5, 3, 64], [1, 1, 1, 1]]`, `['P', [1,
    3, 3, 1], [1, 2, 2, 1]]`, `['F', 64]`. The last is dense, with a unit for every breed."""

    @field_validator("layers", mode="before")
    @classmethod
    def _spelled_well(cls, value: Any) -> list[LayerSpec]:
        return parse_layers(value)

    @field_validator("layers", mode="after")
    @classmethod
    def _fitting_together(
        cls, layers: tuple[LayerSpec, ...], info: ValidationInfo
    ) -> tuple[LayerSpec, ...]:
        if {"input_px", "channels", "padding"} <= set(info.data):  # else they are at fault already
            check_layers(
                layers, (*info.data["input_px"], info.data["channels"]), info.data["padding"]
            )
        return layers

    @property
    def source_classes(self) -> int:
        """Units of the last layer."""
        last = self.layers[-1]
        return last.units if isinstance(last, DenseLayer) else 0


def check_layers(
    layers: Sequence[LayerSpec], shape: tuple[int, int, int], padding: Padding
) -> None:
    """Follows a picture through the layers.

    Args:
        layers: first to last.
        shape: the picture's height, width and channels.
        padding: of convolutions and pools.

    Raises:
        ValueError: the first layer, by its position from 1, that cannot follow those before it.
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
