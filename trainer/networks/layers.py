"""A network defined by a list of layers in its settings.

After a class that built convolutional networks from a list of tuples, for cats and dogs of
CIFAR-10: an activation after every layer but the last, local response normalisation after every
pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.layer_spec import (
    ConvLayer,
    DenseLayer,
    LayerSpec,
    Padding,
    PoolLayer,
    check_layers,
    parse_layers,
)
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras

Activation = Literal[
    "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "gelu", "leaky_relu", "silu", "linear"
]

_CONV_BIAS = 0.0
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
        if {"input_px", "channels", "padding"} <= set(info.data):  # else they are invalid
            check_layers(
                layers, (*info.data["input_px"], info.data["channels"]), info.data["padding"]
            )
        return layers

    @property
    def source_classes(self) -> int:  # type: ignore[override]
        """Units of the last layer."""
        last = self.layers[-1]
        return last.units if isinstance(last, DenseLayer) else 0

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`. Layers are named by kind and number.

        Raises:
            ValueError: the last layer has another number of units than there are classes.
        """
        from keras import layers

        *hidden, last = self.layers
        if not isinstance(last, DenseLayer) or last.units != num_classes:
            raise ValueError(
                f"layer {len(self.layers)}: the last layer has {self.source_classes} units, but "
                f"there are {num_classes} classes: make it {{dense: {num_classes}}}"
            )
        x = pixels
        counts = {"conv": 0, "pool": 0, "dense": 0}
        for layer in hidden:
            counts[layer.kind] += 1
            number = counts[layer.kind]
            if isinstance(layer, ConvLayer):
                x = self._conv(layer, f"conv{number}")(x)
            elif isinstance(layer, PoolLayer):
                x = layers.MaxPooling2D(
                    layer.window, strides=layer.stride, padding=self.padding, name=f"pool{number}"
                )(x)
                if self.local_response:
                    x = _local_response(f"lrn{number}")(x)
            else:
                if number == 1:
                    x = layers.Flatten(name="flatten")(x)
                x = self._dense(layer, f"dense{number}", activation=self.activation)(x)
                if self.dropout:
                    x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        if not counts["dense"]:
            x = layers.Flatten(name="flatten")(x)
        return self._dense(last, "logits", dtype="float32")(x)

    def _conv(self, layer: ConvLayer, name: str) -> keras.layers.Conv2D:
        from keras import initializers, layers

        return layers.Conv2D(
            layer.filters,
            layer.kernel,
            strides=layer.stride,
            padding=self.padding,
            activation=self.activation,
            kernel_initializer=initializers.TruncatedNormal(stddev=self.conv_sd),
            bias_initializer=initializers.Constant(_CONV_BIAS),
            name=name,
        )

    def _dense(
        self,
        layer: DenseLayer,
        name: str,
        *,
        activation: str | None = None,
        dtype: str | None = None,
    ) -> keras.layers.Dense:
        from keras import initializers, layers

        return layers.Dense(
            layer.units,
            activation=activation,
            kernel_initializer=initializers.TruncatedNormal(stddev=self.dense_sd),
            bias_initializer=initializers.Constant(self.dense_bias),
            dtype=dtype,
            name=name,
        )


def _local_response(name: str) -> keras.layers.Layer:
    from trainer.networks.local_response import LocalResponseNormalisation

    # As in the source, whose alpha is divided by the nine channels of the window.
    return LocalResponseNormalisation(4, bias=1.0, alpha=0.001 / 9, beta=0.75, name=name)
