"""A compact residual network for images of 32 to 320 pixels: the default.

Pre-activation blocks after He et al., "Identity Mappings in Deep Residual Networks"
(https://arxiv.org/abs/1603.05027). Where size or width changes, the shortcut is average-pooled and
projected, which uses every pixel (He et al., "Bag of Tricks", https://arxiv.org/abs/1812.01187).
Optional channel weights after Hu et al., "Squeeze-and-Excitation Networks"
(https://arxiv.org/abs/1709.01507).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainer.networks.base import NetworkSettings
from trainer.networks.normalise import Normalisation
from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    import keras

_SQUEEZE_RATIO = 8


class ResidualConfig(NetworkSettings):
    """A compact pre-activation residual network: the default."""

    source: ClassVar[str] = "after He et al. 2016, arxiv.org/abs/1603.05027"
    takes_any_size: ClassVar[bool] = True

    name: Literal["residual"] = "residual"
    """The network's name."""
    normalise: Normalisation = "minus_one_to_one"
    """What the network does to the pixels first."""
    input_px: int = Field(default=64, ge=32, le=320)
    """Height and width of the picture in pixels."""
    width: int = Field(default=16, ge=4, le=256)
    """Filters of the first stage; each later stage has twice as many."""
    blocks: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        default=(1, 1, 1, 1), min_length=1, max_length=6
    )
    """Residual blocks in each stage; all stages but the first halve height and width."""
    squeeze: bool = False
    """Weigh the channels of every block by what the whole picture holds: squeeze and excitation."""
    stem_stride: Literal[1, 2] = 2
    """Stride of the first convolution; 2 quarters the cost of everything behind it."""
    batch_norm_momentum: float = Field(default=0.9, ge=0, lt=1)
    """How slowly the running averages of batch normalisation follow: 0.9 settles within a hundred
    steps; longer runs do better with more."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the pooled features dropped while training."""

    @property
    def image(self) -> ImageSpec:
        """The image that the network takes."""
        return ImageSpec(height_px=self.input_px, width_px=self.input_px)

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`."""
        from keras import layers

        x = _conv(self.width, 3, strides=self.stem_stride, name="stem")(pixels)
        for stage, num_blocks in enumerate(self.blocks):
            for block in range(num_blocks):
                x = self._block(
                    x,
                    filters=self.width * 2**stage,
                    strides=2 if stage > 0 and block == 0 else 1,
                    name=f"stage{stage + 1}_block{block + 1}",
                )
        x = self._activated(x, name="final")
        # (batch, width * 2 ** (len(blocks) - 1))
        x = layers.GlobalAveragePooling2D(name="features")(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        return layers.Dense(num_classes, dtype="float32", name="logits")(x)

    def _block(
        self, x: keras.KerasTensor, *, filters: int, strides: int, name: str
    ) -> keras.KerasTensor:
        """Adds a block: two 3 x 3 convolutions and a shortcut; `strides` divides the size."""
        from keras import layers

        activated = self._activated(x, name=f"{name}_1")
        shortcut = x
        if strides != 1 or x.shape[-1] != filters:
            shortcut = activated
            if strides != 1:
                average = layers.AveragePooling2D(strides, padding="same", name=f"{name}_average")
                shortcut = average(shortcut)
            shortcut = _conv(filters, 1, strides=1, name=f"{name}_projection")(shortcut)
        residual = _conv(filters, 3, strides=strides, name=f"{name}_conv1")(activated)
        residual = self._activated(residual, name=f"{name}_2")
        residual = _conv(filters, 3, strides=1, name=f"{name}_conv2")(residual)
        if self.squeeze:
            residual = _weigh_channels(residual, name=f"{name}_squeeze")
        return layers.Add(name=f"{name}_add")([shortcut, residual])

    def _activated(self, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
        """Adds batch normalisation and ReLU."""
        from keras import layers

        from trainer.networks.batch_norm import FusedBatchNormalization

        x = FusedBatchNormalization(momentum=self.batch_norm_momentum, name=f"{name}_norm")(x)
        return layers.Activation("relu", name=f"{name}_relu")(x)


def _weigh_channels(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    from keras import layers

    filters = x.shape[-1]
    squeezed = max(filters // _SQUEEZE_RATIO, _SQUEEZE_RATIO)
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    weights = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_reduce")(weights)
    weights = layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_expand")(weights)
    return layers.Multiply(name=f"{name}_weigh")([x, weights])


def _conv(filters: int, kernel_px: int, *, strides: int, name: str) -> keras.layers.Conv2D:
    from keras import layers

    return layers.Conv2D(
        filters,
        kernel_px,
        strides=strides,
        padding="same",
        use_bias=False,  # the batch normalisation after it has an offset
        kernel_initializer="he_normal",
        name=name,
    )
