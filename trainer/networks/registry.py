"""From a network's settings to a Keras model."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from trainer.networks.config import AnyNetworkConfig
from trainer.networks.layers import build_layers
from trainer.networks.published.alexnet import build_alexnet
from trainer.networks.published.dog_cnn import build_dog_cnn
from trainer.networks.published.lenet5 import build_lenet5
from trainer.networks.published.pet_cnn import build_pet_cnn
from trainer.networks.published.softmax import build_softmax
from trainer.networks.published.vgg16 import build_vgg16
from trainer.networks.residual import build_residual
from trainer.networks.statistics import PictureStatistics
from trainer.networks.transfer import build_transfer

_Builder = Callable[[Any, int, PictureStatistics | None], keras.Model]

_BUILDERS: dict[str, _Builder] = {
    "softmax": build_softmax,
    "lenet5": build_lenet5,
    "lenet5_relu": build_lenet5,
    "dog_cnn": build_dog_cnn,
    "pet_cnn": build_pet_cnn,
    "alexnet": build_alexnet,
    "vgg16": build_vgg16,
    "layers": build_layers,
    "residual": build_residual,
    "transfer": build_transfer,
}


def needs_statistics(config: AnyNetworkConfig) -> bool:
    """Says whether a network can only be built with statistics of the train split."""
    return config.normalise in ("mean_image", "per_channel")


def build_network(
    config: AnyNetworkConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network that a configuration names.

    Args:
        config: the network's settings.
        num_classes: number of breeds.
        statistics: of the train split, where `needs_statistics` says so;
            `PictureStatistics.neutral` will do where only shapes matter.

    Returns:
        A model from `pictures`, `(batch, *config.image.shape)` uint8 in [0, 255], to `logits`,
        `(batch, num_classes)` float32. Normalisation is inside.

    Raises:
        ValueError: the network needs statistics and there are none, or it cannot be built for that
            many breeds.
    """
    return _BUILDERS[config.name](config, num_classes, statistics)


def outline_network(config: AnyNetworkConfig, num_classes: int) -> keras.Model:
    """Builds a network without its weights, to look at its shapes and to count its parameters.

    The 138 million weights of VGG-16 take half a gigabyte and a second to draw; none is made here.
    Backbones stay without weights of theirs too, so nothing is read or downloaded.

    Args:
        config: the network's settings.
        num_classes: number of breeds.

    Returns:
        A model that knows every shape but cannot compute.

    Raises:
        ValueError: see `build_network`.
    """
    if config.name == "transfer":
        config = config.model_copy(update={"weights": "none"})

    def build() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build_network(config, num_classes, PictureStatistics.neutral(config.image))

    # Keras lists the variables it has still to initialise, thread by thread, and would make up for
    # these when the next network is built. The list of a thread of their own ends with it.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(build).result()
