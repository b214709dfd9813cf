"""The network that is a list: every layer as its settings spell it.

After a class that built convolutional networks from a list of tuples, for cats and dogs of
CIFAR-10: an activation behind every layer but the last, local response normalisation behind every
pool.
"""

from __future__ import annotations

import keras
from keras import layers

from trainer.networks.layer_spec import ConvLayer, DenseLayer, PoolLayer
from trainer.networks.layers_config import LayersConfig
from trainer.networks.normalise import LocalResponseNormalisation, normalised_input
from trainer.networks.statistics import PictureStatistics

_CONV_BIAS = 0.0


def build_layers(
    config: LayersConfig, num_classes: int, statistics: PictureStatistics | None = None
) -> keras.Model:
    """Builds the network. Layers are named by their kind and their place among its like.

    Args:
        config: its settings.
        num_classes: number of breeds.
        statistics: of the train split, where `config.normalise` needs them.

    Returns:
        A model from `(batch, *config.image.shape)` uint8 to `(batch, num_classes)` float32 logits.

    Raises:
        ValueError: the last layer has another number of units than there are breeds.
    """
    *hidden, last = config.layers
    if not isinstance(last, DenseLayer) or last.units != num_classes:
        raise ValueError(
            f"layer {len(config.layers)}: the last layer has {config.source_classes} units, but "
            f"there are {num_classes} classes: make it {{dense: {num_classes}}}"
        )
    pictures, x = normalised_input(config, statistics)
    counts = {"conv": 0, "pool": 0, "dense": 0}
    for layer in hidden:
        counts[layer.kind] += 1
        number = counts[layer.kind]
        if isinstance(layer, ConvLayer):
            x = _conv(config, layer, f"conv{number}")(x)
        elif isinstance(layer, PoolLayer):
            x = _pool(config, layer, number)(x)
            if config.local_response:
                x = _local_response(f"lrn{number}")(x)
        else:
            if number == 1:
                x = layers.Flatten(name="flatten")(x)
            x = _dense(config, layer, f"dense{number}", activation=config.activation)(x)
            if config.dropout:
                x = layers.Dropout(config.dropout, name=f"dropout{number}")(x)
    if not counts["dense"]:
        x = layers.Flatten(name="flatten")(x)
    logits = _dense(config, last, "logits", dtype="float32")(x)
    return keras.Model(pictures, logits, name="layers")


def _conv(config: LayersConfig, layer: ConvLayer, name: str) -> layers.Conv2D:
    return layers.Conv2D(
        layer.filters,
        layer.kernel,
        strides=layer.stride,
        padding=config.padding,
        activation=config.activation,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=config.conv_sd),
        bias_initializer=keras.initializers.Constant(_CONV_BIAS),
        name=name,
    )


def _pool(config: LayersConfig, layer: PoolLayer, number: int) -> layers.MaxPooling2D:
    return layers.MaxPooling2D(
        layer.window, strides=layer.stride, padding=config.padding, name=f"pool{number}"
    )


def _local_response(name: str) -> LocalResponseNormalisation:
    # The source's figures; its alpha is divided by the nine channels that count.
    return LocalResponseNormalisation(4, bias=1.0, alpha=0.001 / 9, beta=0.75, name=name)


def _dense(
    config: LayersConfig,
    layer: DenseLayer,
    name: str,
    *,
    activation: str | None = None,
    dtype: str | None = None,
) -> layers.Dense:
    return layers.Dense(
        layer.units,
        activation=activation,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=config.dense_sd),
        bias_initializer=keras.initializers.Constant(config.dense_bias),
        dtype=dtype,
        name=name,
    )
