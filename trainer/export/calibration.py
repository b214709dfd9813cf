"""How sure a model may be: the temperature of its probabilities, and which pictures it knows.

Both are fitted on train pictures that were held out from the training. This is the one definition
of either: the exported model computes with it, in every signature.

The temperature is that of Guo et al., "On Calibration of Modern Neural Networks"
(https://arxiv.org/abs/1706.04599). A picture is known if it is like those that the model learned
from, seen in several ways (after Lee et al., https://arxiv.org/abs/1807.03888). The network's last
features alone do not do: one that has only ever seen dogs makes a dog's features of a blank page
and of a drawn horse as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import t as student_t

from trainer.export.gaussian import Gaussian
from trainer.export.last_features import FEATURES, LAST_MAP, LOGITS, MIDDLE_MAP, with_features
from trainer.training.config import TrainerConfig
from trainer.training.input import Split, pictures_in_order

_MOST = 512  # pictures of each part that are looked at: more change little, and take their time
_BATCH_SIZE = 32
_REJECTED = 0.005  # share of pictures like the held-out ones that are called unknown, if normal
_KEPT = 0.97  # least share of the held-out ones themselves that are called known
_TEMPERATURES = (0.05, 20.0)
_STEPS = (0.005, 0.02, 0.08)  # between neighbouring pixels: a camera's noise, textures, outlines
_SD_OF_MAD = 1.4826  # standard deviations of a normal distribution in a median deviation
_LEAST_SPREAD = 1e-3

Run = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]
"""From pictures `(batch, height, width, channels)` uint8 to the outputs of `with_features`."""


@dataclass(frozen=True)
class Seen:
    """What a network makes of pictures and, if it averages over them, of their mirror images."""

    views: tuple[tf.Tensor, ...]
    """`(batch, d)` float32 each: what any picture has, the network's textures if it has feature
    maps, and its features, which are last."""
    logits: tf.Tensor
    """`(looks, batch, num_classes)`."""
    last_maps: tuple[tf.Tensor, ...]
    """The last feature map of each look, if there is one."""


def see(run: Run, pictures: tf.Tensor, *, mirrored: bool) -> Seen:
    """Runs a network on pictures `(batch, height, width, channels)` uint8."""
    looks = [pictures, pictures[:, :, ::-1]] if mirrored else [pictures]
    outputs = [run(each) for each in looks]
    views = zip(*(_views(*each) for each in zip(looks, outputs, strict=True)), strict=True)
    return Seen(
        views=tuple(tf.add_n(each) / len(looks) for each in views),
        logits=tf.stack([each[LOGITS] for each in outputs]),
        last_maps=tuple(each[LAST_MAP] for each in outputs if LAST_MAP in each),
    )


def _views(pictures: tf.Tensor, output: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
    views = [_appearance(pictures)]
    if MIDDLE_MAP in output:
        middle = tf.cast(output[MIDDLE_MAP], tf.float32)
        views.append(_means_and_sds(middle))
    return [*views, tf.cast(output[FEATURES], tf.float32)]


def _appearance(pictures: tf.Tensor) -> tf.Tensor:
    """Describes pictures by their colours and by how much neighbouring pixels differ."""
    values = tf.cast(pictures, tf.float32) / 255
    light = tf.reduce_mean(values, axis=3, keepdims=True)
    described = [_means_and_sds(values)]
    for steps in (light[:, :, 1:] - light[:, :, :-1], light[:, 1:] - light[:, :-1]):
        described.append(_means_and_sds(tf.abs(steps)))
        described += [tf.reduce_mean(tf.exp(-tf.abs(steps) / size), (1, 2)) for size in _STEPS]
    return tf.concat(described, axis=1)


def _means_and_sds(maps: tf.Tensor) -> tf.Tensor:
    """Pools `(batch, rows, columns, channels)` to `(batch, 2 * channels)`."""
    return tf.concat([tf.reduce_mean(maps, (1, 2)), tf.math.reduce_std(maps, (1, 2))], axis=1)


@dataclass(frozen=True)
class _View:
    """Where pictures that the model knows lie, seen in one way."""

    gaussian: Gaussian
    """Of train pictures."""
    centre: float
    """Median log distance of the held-out pictures from it."""
    spread: float
    """Standard deviation of the same, without its tails."""

    def strangeness(self, vectors: tf.Tensor) -> tf.Tensor:
        """Returns `(batch,)` log distances of `(batch, d)` vectors, in standard deviations."""
        return (self.gaussian.log_distance(vectors) - self.centre) / self.spread


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the held-out pictures."""

    temperature: float
    """What logits are divided by."""
    views: tuple[_View, ...]
    """As `Seen.views`."""
    threshold: float
    """Largest strangeness of a known picture, in the view in which it is strangest."""
    num_held_out: int
    """Pictures that it was fitted on."""

    def is_known(self, seen: Seen) -> tf.Tensor:
        """Tells `(batch,)` whether pictures are like those that the model learned from."""
        return _strangeness(self.views, seen.views) <= self.threshold


def probabilities_of(seen: Seen, temperature: float) -> tf.Tensor:
    """Returns `(batch, num_classes)` float32 in [0, 1]."""
    return tf.reduce_mean(tf.nn.softmax(seen.logits / temperature), axis=0)


def _strangeness(views: Sequence[_View], vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.reduce_max(
        [view.strangeness(each) for view, each in zip(views, vectors, strict=True)], axis=0
    )


def calibrate(
    network: keras.Model, train_split: Split, held_out: Split, config: TrainerConfig
) -> Calibration | None:
    """Fits temperature and threshold; None where no pictures were held out.

    Args:
        network: the trained network.
        train_split: what it learned from.
        held_out: what it did not, and what is used for nothing else.
        config: the settings.
    """
    if not held_out.num_examples:
        return None
    model, _ = with_features(network)
    learned, _, _ = _observe(model, train_split, config)
    kept_back, logits, labels = _observe(model, held_out, config)
    views = [_fit_view(*vectors) for vectors in zip(learned, kept_back, strict=True)]
    strangeness = _strangeness(views, kept_back).numpy()
    return Calibration(
        temperature=fit_temperature(logits, labels),
        views=tuple(views),
        threshold=_upper_bound(strangeness),
        num_held_out=len(strangeness),
    )


_Vectors = NDArray[np.float32]


def _observe(
    model: keras.Model, split: Split, config: TrainerConfig
) -> tuple[list[_Vectors], NDArray[np.float32], NDArray[np.int64]]:
    """Returns the views, logits and labels of the first pictures of a split."""
    image = config.network.image

    @tf.function(input_signature=[tf.TensorSpec((None, *image.shape), tf.uint8)], autograph=False)
    def look(pictures: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        seen = see(
            lambda each: model(each, training=False), pictures, mirrored=config.average_mirrored
        )
        return list(seen.views), seen.logits

    batches = pictures_in_order(split, image, _BATCH_SIZE).take(_MOST // _BATCH_SIZE)
    parts = []
    for pictures, labels in batches:
        views, logits = look(pictures)
        parts.append((*(each.numpy() for each in views), logits.numpy().swapaxes(0, 1), labels))
    *views, logits, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    return views, logits.swapaxes(0, 1), labels


def _fit_view(learned: _Vectors, kept_back: _Vectors) -> _View:
    gaussian = Gaussian.fit(learned)
    centre, spread = _centre_and_spread(gaussian.log_distance(tf.constant(kept_back)).numpy())
    return _View(gaussian, centre, spread)


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Finds the temperature of the least cross-entropy.

    As in Platt scaling, a true breed counts a little less than certain: where every answer is
    right, the best temperature would be 0.

    Args:
        logits: `(looks, n, num_classes)`.
        labels: `(n,)`.
    """
    num_examples, num_classes = logits.shape[1:]
    doubt = 1 / (num_examples + 2)
    targets = np.full((num_examples, num_classes), doubt / max(num_classes - 1, 1))
    targets[np.arange(num_examples), labels] = 1 - doubt

    def cross_entropy(log_temperature: float) -> float:
        said = softmax(logits / np.exp(log_temperature), axis=2).mean(axis=0)
        return float(-(targets * np.log(said + 1e-12)).sum(axis=1).mean())

    found = minimize_scalar(cross_entropy, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(found.x))


def _upper_bound(values: NDArray[np.float32]) -> float:
    """Returns what one more such value hardly exceeds: by `_REJECTED` and `_KEPT`."""
    num_values = len(values)
    centre, spread = _centre_and_spread(values)
    deviations = student_t.ppf(1 - _REJECTED, num_values - 1) * np.sqrt(1 + 1 / num_values)
    return float(max(centre + deviations * spread, np.quantile(values, _KEPT)))


def _centre_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    """Returns what mean and standard deviation would be without the odd pictures in any data."""
    centre = float(np.median(values))
    deviation = float(np.median(np.abs(values - centre)))
    return centre, max(_SD_OF_MAD * deviation, _LEAST_SPREAD)
