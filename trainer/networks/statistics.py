"""Pixel statistics of the train split, for networks that normalise with them.

`trainer.networks.normalise` turns them into the first layer, so that the exported model contains
them and serving normalises as training did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.preprocessing.image import ImageSpec


@dataclass(frozen=True, eq=False)  # arrays cannot be compared with a single ==
class PictureStatistics:
    """Mean and standard deviation of images in [0, 255]."""

    mean_image: NDArray[np.float32]
    """Mean image, `(height, width, channels)`."""
    channel_mean: NDArray[np.float32]
    """Mean of each channel over all pixels, `(channels,)`."""
    channel_sd: NDArray[np.float32]
    """Standard deviation of each channel over all pixels, `(channels,)`."""

    @classmethod
    def neutral(cls, image: ImageSpec) -> PictureStatistics:
        """Returns statistics that change nothing, where only shapes matter."""
        return cls(
            mean_image=np.zeros(image.shape, np.float32),
            channel_mean=np.zeros(image.channels, np.float32),
            channel_sd=np.ones(image.channels, np.float32),
        )


def picture_statistics(batches: Iterable[Any]) -> PictureStatistics:
    """Computes the statistics over all images in one pass.

    The sums are integers, so neither order nor batch size of the images changes the result.

    Args:
        batches: `(batch, height, width, channels)` uint8 in [0, 255], tensors or arrays of one
            size, alone or first in a tuple as in a dataset of images and labels.

    Returns:
        Statistics computed in float64 and rounded to float32.

    Raises:
        ValueError: there are no images, or they are not uint8 of one size.
    """
    count = 0
    image_sum: NDArray[np.int64] | None = None
    square_sum: NDArray[np.int64] | None = None
    for batch in batches:
        pictures = np.asarray(batch[0] if isinstance(batch, tuple) else batch)
        if pictures.dtype != np.uint8 or pictures.ndim != 4:
            raise ValueError(
                "statistics want batches (batch, height, width, channels) of uint8, got "
                f"{pictures.shape} of {pictures.dtype}"
            )
        if image_sum is None or square_sum is None:
            image_sum = np.zeros(pictures.shape[1:], np.int64)
            square_sum = np.zeros(pictures.shape[-1:], np.int64)
        if pictures.shape[1:] != image_sum.shape:
            raise ValueError(
                f"statistics want pictures of one size, got {pictures.shape[1:]} after "
                f"{image_sum.shape}"
            )
        count += len(pictures)
        image_sum += pictures.sum(axis=0, dtype=np.int64)
        square_sum += np.square(pictures, dtype=np.int32).sum(axis=(0, 1, 2), dtype=np.int64)
    if not count or image_sum is None or square_sum is None:
        raise ValueError("statistics want at least one picture, got none")
    num_pixels = count * image_sum.shape[0] * image_sum.shape[1]
    mean = image_sum.sum(axis=(0, 1)) / num_pixels
    variance = square_sum / num_pixels - mean**2
    return PictureStatistics(
        mean_image=(image_sum / count).astype(np.float32),
        channel_mean=mean.astype(np.float32),
        channel_sd=np.sqrt(np.maximum(variance, 0)).astype(np.float32),
    )
