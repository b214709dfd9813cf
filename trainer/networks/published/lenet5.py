"""LeNet-5 and its variant with ReLU.

LeCun et al., "Gradient-Based Learning Applied to Document Recognition"
(https://doi.org/10.1109/5.726791), for images of 28 x 28: the first convolution pads instead of
taking the paper's 32 x 32. All 16 maps of the second convolution see all 6 of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras

_DENSE_UNITS = (120, 84)

Filters = Annotated[int, Field(ge=1, le=1024)]


class Lenet5Config(SizedNetworkSettings):
    """LeNet-5: two convolutions with sigmoid and average pooling, three dense layers."""

    source: ClassVar[str] = "LeCun et al. 1998, doi.org/10.1109/5.726791"
    source_classes: ClassVar[int] = 10
    min_px: ClassVar[int] = 12
    relu: ClassVar[bool] = False
    """Whether it has ReLU and max pooling instead."""

    name: Literal["lenet5"] = "lenet5"
    """The network's name."""
    normalise: Normalisation = "zero_to_one"
    """What the network does to the pixels first."""
    input_px: InputSize = (28, 28)
    """Height and width of the picture in pixels; one number stands for both."""
    channels: Literal[1, 3] = 1
    """3 for RGB, 1 for grey-scale."""
    filters: tuple[Filters, Filters] = (6, 16)
    """Filters of the two convolutions."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import layers

        activation = "relu" if self.relu else "sigmoid"
        pooling = layers.MaxPooling2D if self.relu else layers.AveragePooling2D
        first, second = self.filters
        # Shapes for 28 x 28 x 1 and 6 and 16 filters.
        x = layers.Conv2D(first, 5, padding="same", activation=activation, name="conv1")(pixels)
        x = pooling(2, name="pool1")(x)  # (batch, 14, 14, 6)
        x = layers.Conv2D(second, 5, activation=activation, name="conv2")(x)  # (batch, 10, 10, 16)
        x = pooling(2, name="pool2")(x)  # (batch, 5, 5, 16)
        x = layers.Flatten(name="flatten")(x)  # (batch, 400)
        for number, units in enumerate(_DENSE_UNITS, start=1):
            x = layers.Dense(units, activation=activation, name=f"dense{number}")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)


class Lenet5ReluConfig(Lenet5Config):
    """LeNet-5 with ReLU, max pooling and more filters."""

    source: ClassVar[str] = "variant of LeCun et al. 1998, doi.org/10.1109/5.726791"
    relu: ClassVar[bool] = True

    name: Literal["lenet5_relu"] = "lenet5_relu"  # type: ignore[assignment]
    """The network's name."""
    filters: tuple[Filters, Filters] = (32, 64)
    """Filters of the two convolutions."""
