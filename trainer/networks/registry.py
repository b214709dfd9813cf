"""All networks: their settings in a configuration, and the Keras models that they come to.

A network is a subclass of `NetworkSettings` in a module of its own, and a line of
`AnyNetworkConfig`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from foundation.settings import name_alone
from trainer.networks.base import NetworkSettings
from trainer.networks.custom import CustomConfig
from trainer.networks.layers import LayersConfig
from trainer.networks.normalise import NEEDS_STATISTICS
from trainer.networks.published.alexnet import AlexnetConfig
from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.published.lenet5 import Lenet5Config, Lenet5ReluConfig
from trainer.networks.published.pet_cnn import PetCnnConfig
from trainer.networks.published.softmax import SoftmaxConfig
from trainer.networks.published.vgg16 import Vgg16Config
from trainer.networks.residual import ResidualConfig
from trainer.networks.transfer.network import TransferConfig

if TYPE_CHECKING:
    import keras

    from trainer.networks.statistics import PictureStatistics

AnyNetworkConfig = (
    SoftmaxConfig
    | Lenet5Config
    | Lenet5ReluConfig
    | DogCnnConfig
    | PetCnnConfig
    | AlexnetConfig
    | Vgg16Config
    | LayersConfig
    | ResidualConfig
    | TransferConfig
    | CustomConfig
)
"""The settings of one network, whichever it is: the list of networks."""

NETWORKS: dict[str, type[AnyNetworkConfig]] = {
    config.model_fields["name"].default: config for config in get_args(AnyNetworkConfig)
}
"""Every network's settings by its name."""


def find_network(name: object) -> type[AnyNetworkConfig]:
    """Returns the settings of the network of that name.

    Raises:
        ValueError: there is none.
    """
    if isinstance(name, str) and name in NETWORKS:
        return NETWORKS[name]
    close = difflib.get_close_matches(str(name), NETWORKS, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ValueError(f"There is no network {name!r}.{hint} There are {', '.join(NETWORKS)}")


def _of_a_known_name(value: Any) -> Any:
    value = name_alone(value)
    if isinstance(value, Mapping):
        if "name" not in value:
            raise ValueError(f"the network's name is missing. There are {', '.join(NETWORKS)}")
        find_network(value["name"])
    return value


NetworkConfig = Annotated[
    Annotated[AnyNetworkConfig, Field(discriminator="name")], BeforeValidator(_of_a_known_name)
]
"""A network in a configuration, where a name may stand for it with its defaults."""


def needs_statistics(config: NetworkSettings) -> bool:
    """Says whether a network can only be built with statistics of the train split."""
    return config.normalise in NEEDS_STATISTICS


def build_network(
    config: NetworkSettings, num_classes: int, statistics: PictureStatistics | None = None
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
    import keras

    pictures = keras.Input(config.image.shape, dtype="uint8", name="pictures")
    logits = config.build_logits(config.normalised(pictures, statistics), num_classes)
    return keras.Model(pictures, logits, name=config.name)


def outline_network(config: NetworkSettings, num_classes: int) -> keras.Model:
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
    import keras

    from trainer.networks.statistics import PictureStatistics

    if isinstance(config, TransferConfig):
        config = config.model_copy(update={"weights": "none"})

    def build() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build_network(config, num_classes, PictureStatistics.neutral(config.image))

    # Keras lists the variables it has still to initialise, thread by thread, and would make up for
    # these when the next network is built. The list of a thread of their own ends with it.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(build).result()
