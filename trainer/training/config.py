"""Typed settings of training.

Read by `pipeline.config.config` on the laptop and rebuilt from JSON inside Trainer, so this module
imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from foundation.settings import Settings, name_alone
from foundation.user_function import FunctionName
from trainer.networks.custom import CustomConfig
from trainer.networks.registry import NetworkConfig
from trainer.networks.residual import ResidualConfig


class SgdConfig(Settings):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    """The optimizer's name."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last update that goes into the next."""
    nesterov: bool = False
    """Look ahead along the momentum before taking the gradient."""
    weight_decay: float = Field(default=0, ge=0)
    """Decoupled weight decay; multiplied by the learning rate."""


class AdagradConfig(Settings):
    """Adagrad: rates that shrink with the sum of all squared gradients."""

    name: Literal["adagrad"] = "adagrad"
    """The optimizer's name."""
    initial_accumulator: float = Field(default=0.1, ge=0)
    """Start of the sum of squared gradients."""
    weight_decay: float = Field(default=0, ge=0)
    """Decoupled weight decay; multiplied by the learning rate."""


class AdamConfig(Settings):
    """Adam."""

    name: Literal["adam"] = "adam"
    """The optimizer's name."""
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    epsilon: float = Field(default=1e-7, gt=0)
    """Keeps the division finite."""
    weight_decay: float = Field(default=0, ge=0)
    """Decoupled weight decay; multiplied by the learning rate."""


class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay: the default."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    """The optimizer's name."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled weight decay; multiplied by the learning rate."""


class RmsPropConfig(Settings):
    """RMSProp: rates that shrink with the recent squared gradients."""

    name: Literal["rmsprop"] = "rmsprop"
    """The optimizer's name."""
    rho: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    momentum: float = Field(default=0, ge=0, lt=1)
    """Share of the last update that goes into the next."""
    weight_decay: float = Field(default=0, ge=0)
    """Decoupled weight decay; multiplied by the learning rate."""


OptimizerConfig = Annotated[
    Annotated[
        SgdConfig | AdagradConfig | AdamConfig | AdamWConfig | RmsPropConfig,
        Field(discriminator="name"),
    ],
    BeforeValidator(name_alone),
]


class AugmentConfig(Settings):
    """Random changes to training pictures, drawn anew for each."""

    flip: bool = True
    """Mirror half of the pictures left to right."""
    shift_fraction: float = Field(default=0.1, ge=0, le=0.5)
    """Largest shift, up or down and left or right, as a share of height and width; the border is
    mirrored. crop_min_area shifts by itself and excludes it."""
    crop_min_area: float = Field(default=1, gt=0, le=1)
    """Cut out a part of at least this share of the area, of an aspect ratio between 3:4 and 4:3,
    and scale it to the input size; 1 means the whole picture."""
    train_px: tuple[Annotated[int, Field(ge=16, le=1024)], ...] = ()
    """Sizes to train at, one after the other over equal parts of the run, for square inputs: small
    pictures first are cheaper, and a network that ends below its input size sees in evaluation what
    it saw in training, as crops make things look larger. Nothing means the input size."""
    brightness: float = Field(default=0, ge=0, le=1)
    """Largest change of brightness, as a share of the range."""
    contrast: float = Field(default=0, ge=0, lt=1)
    """Largest change of contrast, as a share."""
    saturation: float = Field(default=0, ge=0, le=1)
    """Largest change of colour saturation, as a share."""
    hue: float = Field(default=0, ge=0, le=1)
    """Largest turn of the hue, as a share of the colour circle."""
    rand_augment_ops: int = Field(default=0, ge=0, le=8)
    """Operations of RandAugment (https://arxiv.org/abs/1909.13719) on each picture; 0 means
    none."""
    rand_augment_factor: float = Field(default=0.3, ge=0, le=1)
    """Strength of those operations."""
    mixup_alpha: float = Field(default=0, ge=0)
    """Blend pairs of pictures and labels by a share from Beta(alpha, alpha)
    (https://arxiv.org/abs/1710.09412); 0 means never."""
    cutmix_factor: float = Field(default=0, ge=0, le=1)
    """Paste a rectangle of one picture into another, of up to this share of the area
    (https://arxiv.org/abs/1905.04899); 0 means never. With mixup as well, each batch takes one of
    the two."""
    custom: FunctionName | None = None
    """A function of your own, as my_package.my_module:my_function, that changes pictures at their
    final size, before colours and mixing. It is called with `(batch, height, width, channels)`
    uint8 and a seed for tf.random.stateless_uniform and its like, and returns as many."""
    on_device: bool = False
    """Augment inside the training step, on the accelerator, instead of in the input pipeline."""

    @model_validator(mode="after")
    def _one_shift(self) -> Self:
        if self.shift_fraction and self.crop_min_area < 1:
            raise ValueError(
                "shift_fraction and crop_min_area exclude each other: set shift_fraction to 0"
            )
        return self


class EarlyStopConfig(Settings):
    """When training ends before its epochs are over. Nothing means never."""

    loss_tolerance: float | None = Field(default=None, gt=0)
    """Stop after an epoch whose mean training loss is at most this, in nats."""
    patience_epochs: int | None = Field(default=None, ge=1)
    """Stop after this many epochs without a lower eval loss, and keep the best epoch's weights."""


class PicturesConfig(Settings):
    """Pictures of the training for TensorBoard and as files beside the training curves."""

    every_steps: int | None = Field(default=None, ge=1)
    """Steps between two frames of the filters' and feature maps' evolution; nothing means an
    epoch."""
    layers: tuple[str, ...] = ()
    """Layers whose feature maps are drawn, by name; nothing means the first and the last
    convolution."""
    histograms: bool = True
    """Histograms of all weights after each epoch."""


class TrainerConfig(Settings):
    """How the network is trained."""

    network: NetworkConfig = ResidualConfig()
    """The network by name, with its options."""
    epochs: int = Field(default=16, ge=1)
    """Passes over the training split."""
    eval_every_epochs: int = Field(default=1, ge=1)
    """Epochs between two measurements on the eval split; the last is always measured."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after this many steps even if the epochs are not over."""
    batch_size: int = Field(default=32, ge=1)
    """Examples in one step, over all devices."""
    optimizer: OptimizerConfig = AdamWConfig()
    """The optimizer by name, with its options."""
    learning_rate: float = Field(default=5e-3, gt=0, le=10)
    """The highest learning rate of the schedule."""
    schedule: Literal["constant", "cosine", "exponential"] = "cosine"
    """How the learning rate changes over the steps of the run."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps over which a cosine schedule rises from 0 to the highest rate."""
    final_fraction: float = Field(default=0.01, gt=0, le=1)
    """Share of the highest rate that an exponential schedule leaves at the last step."""
    l2: float = Field(default=0, ge=0)
    """Weight of the sum of squared kernel weights in the loss."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Probability mass spread evenly over all breeds."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs every example by how rare its breed is in the train split."""
    augment: AugmentConfig = AugmentConfig()
    """Augmentation of the training pictures."""
    early_stop: EarlyStopConfig = EarlyStopConfig()
    """When training ends early."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers of training's forward and backward pass; weights and the exported model are always
    float32. `auto` is bfloat16 or float16 on a GPU with tensor cores, bfloat16 on a processor that
    has instructions for it (`avx512_bf16` or `amx_bf16` in /proc/cpuinfo), float32 elsewhere."""
    logical_devices: int = Field(default=1, ge=1, le=16)
    """Devices that the processor is split into where there is no GPU, to rehearse training on
    several. Every GPU that is visible takes part by itself."""
    pictures: PicturesConfig = PicturesConfig()
    """Pictures of the training."""
    cache_mib: int = Field(default=2048, ge=0)
    """Decoded pictures are kept in memory when all of them need no more than this, in MiB."""
    average_mirrored: bool = False
    """Answer with the mean of a picture's probabilities and those of its mirror image, in
    evaluation and serving: a little more accurate, at twice the time of an answer."""
    calibration_share: float = Field(default=0.1, ge=0, le=0.5)
    """Share of the train split that is not learned from: on it is fitted how probable an answer
    really is, and which pictures are unlike those that the model knows. With 0, or where that is
    fewer than 8 pictures, the model does not say."""
    top_k: int = Field(default=5, ge=1)
    """How many breeds `serving_default` answers with."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of weights, order, dropout and augmentation; the same seed repeats a run."""

    @property
    def user_functions(self) -> tuple[str, ...]:
        """Functions of the user's own that take part in the training."""
        build = self.network.build if isinstance(self.network, CustomConfig) else None
        return tuple(name for name in (build, self.augment.custom) if name is not None)

    @model_validator(mode="after")
    def _sizes_fit_the_network(self) -> Self:
        if self.augment.train_px and not self.network.takes_any_size:
            raise ValueError(
                f"augment.train_px needs a network that takes pictures of any size; "
                f"{self.network.name} does not"
            )
        return self

    @model_validator(mode="after")
    def _colours_can_change(self) -> Self:
        coloured = ("saturation", "hue", "rand_augment_ops")
        asked = [name for name in coloured if getattr(self.augment, name)]
        if asked and self.network.image.channels == 1:
            raise ValueError(
                f"augment.{asked[0]} needs colours; {self.network.name} takes grey-scale pictures"
            )
        return self
