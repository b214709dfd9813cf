"""The first layer of a network, which normalises the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainer.preprocessing.image import ImageSpec

if TYPE_CHECKING:
    from keras import layers

    from trainer.networks.statistics import PictureStatistics

Normalisation = Literal["none", "zero_to_one", "minus_one_to_one", "mean_image", "per_channel"]
"""What a network does to the pixels first. `none` leaves them in [0, 255], `zero_to_one` divides by
256, `minus_one_to_one` maps [0, 255] to [-1, 1]; `mean_image` subtracts the mean image of the
train split and divides by 255; `per_channel` subtracts the mean and divides by the standard
deviation of each colour over the train split."""

NEEDS_STATISTICS: tuple[Normalisation, ...] = ("mean_image", "per_channel")
"""Normalisations that need statistics of the train split."""

# `mean_image` divides by this range after the subtraction.
_RANGE = 255.0


def normalise_layer(
    normalise: Normalisation, image: ImageSpec, statistics: PictureStatistics | None
) -> layers.Layer:
    """Returns a layer named `normalise`, from uint8 to float32 of the same shape.

    It computes in float32 under every precision policy: bfloat16 has eight bits of precision, of
    which subtracting a mean leaves few. Only `NEEDS_STATISTICS` use the statistics, of the train
    split.

    Raises:
        ValueError: required statistics are missing, or are of images of another size.
    """
    import numpy as np
    from keras import layers

    if normalise == "none":
        return layers.Rescaling(1, dtype="float32", name="normalise")
    if normalise == "zero_to_one":
        # 256, not 255: the floats of the dog-breed network's source lie in [0, 1).
        return layers.Rescaling(1 / 256, dtype="float32", name="normalise")
    if normalise == "minus_one_to_one":
        return layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="normalise")
    if statistics is None:
        raise ValueError(f"normalise={normalise} needs the statistics of the train split, got none")
    if statistics.mean_image.shape != image.shape:
        raise ValueError(
            f"the statistics are of pictures {statistics.mean_image.shape}, the network takes "
            f"{image.shape}"
        )
    if normalise == "mean_image":
        return layers.Normalization(
            axis=(1, 2, 3),
            mean=statistics.mean_image,
            variance=np.full_like(statistics.mean_image, _RANGE**2),
            dtype="float32",
            name="normalise",
        )
    return layers.Normalization(
        axis=-1,
        mean=statistics.channel_mean,
        variance=np.square(statistics.channel_sd),
        dtype="float32",
        name="normalise",
    )
