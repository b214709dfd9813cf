"""Augments batches of training images, in the input pipeline or on the accelerator.

Flips, shifts and crops depend on the seed and the step alone, so that a resumed training sees the
same images as an uninterrupted one. keras.layers (colour, RandAugment, mixup, cutmix) have
generators of their own.
"""

from __future__ import annotations

from functools import partial

import keras
import tensorflow as tf

from foundation.user_function import load_function
from trainer.preprocessing.image import ImageSpec
from trainer.training.config import AugmentConfig

_CROP_ASPECTS = (3 / 4, 4 / 3)  # width by height, as in https://arxiv.org/abs/1409.4842
_VALUE_RANGE = (0, 255)
_MOST_DRAWS = 9  # kinds of draws, for seeds that do not overlap
_MOST_STEPS = 1 << 40


class Augmentation:
    """Augments batches, each image in its own way.

    The seed determines every draw. `config.train_px` is spread over `num_steps`, the steps of the
    run.
    """

    def __init__(
        self, config: AugmentConfig, image: ImageSpec, *, num_steps: int, seed: int
    ) -> None:
        self._config = config
        self._image = image
        self._num_steps = num_steps
        self._seed = seed
        self._custom = load_function(config.custom) if config.custom else None
        self._layers = _keras_layers(config, seed)
        self._mixers: list[keras.layers.Layer] = []
        if config.mixup_alpha:
            self._mixers.append(keras.layers.MixUp(config.mixup_alpha, seed=seed))
        if config.cutmix_factor:
            self._mixers.append(keras.layers.CutMix(config.cutmix_factor, seed=seed))

    @property
    def changes_size(self) -> bool:
        """Whether images may change their size."""
        return bool(self._config.train_px)

    def __call__(
        self, pictures: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Augments a batch.

        Args:
            pictures: `(batch, height, width, channels)` uint8 in [0, 255].
            labels: `(batch, num_classes)` float32, one-hot.
            step: scalar int64, the training step from 0.

        Returns:
            Images `(batch, new_height, new_width, channels)` uint8, and labels of the same shape as
            before, mixed where images were.
        """
        config = self._config
        if config.flip:
            pictures = self._flipped(pictures, step)
        if config.shift_fraction:
            pictures = self._shifted(pictures, step)
        sizes = [(px, px) for px in config.train_px] or [self._image.shape[:2]]
        # A branch for each size, because some of keras.layers need static shapes.
        pictures, labels = tf.switch_case(
            tf.cast(tf.minimum(step * len(sizes) // self._num_steps, len(sizes) - 1), tf.int32),
            [partial(self._at_size, size, pictures, labels, step) for size in sizes],
        )
        sides = (None, None) if self.changes_size else self._image.shape[:2]
        return tf.ensure_shape(pictures, (None, *sides, self._image.channels)), labels

    def _at_size(
        self, size: tuple[int, int], pictures: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Crops to `size`, height and width in pixels, and changes colours, images and labels."""
        if self._config.crop_min_area < 1 or size != self._image.shape[:2]:
            pictures = self._cropped(pictures, step, size)
        if self._custom is not None:
            pictures = self._changed_by_user(pictures, step)
        if self._layers or self._mixers:
            values = tf.cast(pictures, tf.float32)
            for layer in self._layers:
                values = layer(values, training=True)
            values, labels = self._mixed(values, labels, step)
            pictures = tf.cast(tf.clip_by_value(tf.round(values), *_VALUE_RANGE), tf.uint8)
        return pictures, labels

    def _flipped(self, pictures: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        mirrored = self._uniform(pictures, step, draw=0) < 0.5
        return tf.where(mirrored[:, None, None, None], pictures[:, :, ::-1], pictures)

    def _shifted(self, pictures: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        height, width, _ = self._image.shape
        pad_y = round(height * self._config.shift_fraction)
        pad_x = round(width * self._config.shift_fraction)
        # Mirrored borders, so that a shift adds no black bar that a network could learn.
        padded = tf.pad(pictures, [[0, 0], [pad_y, pad_y], [pad_x, pad_x], [0, 0]], mode="REFLECT")
        top = self._whole_numbers(pictures, step, draw=1, below=2 * pad_y + 1)
        left = self._whole_numbers(pictures, step, draw=2, below=2 * pad_x + 1)
        rows = tf.gather(padded, top[:, None] + tf.range(height), axis=1, batch_dims=1)
        return tf.gather(rows, left[:, None] + tf.range(width), axis=2, batch_dims=1)

    def _cropped(self, pictures: tf.Tensor, step: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
        smallest = self._config.crop_min_area
        area = smallest + (1 - smallest) * self._uniform(pictures, step, draw=3)
        low, high = (tf.math.log(aspect) for aspect in _CROP_ASPECTS)
        aspect = tf.exp(low + (high - low) * self._uniform(pictures, step, draw=4))
        if smallest == 1:
            aspect = tf.ones_like(aspect)
        height = tf.minimum(tf.sqrt(area / aspect), 1)
        width = tf.minimum(tf.sqrt(area * aspect), 1)
        top = (1 - height) * self._uniform(pictures, step, draw=5)
        left = (1 - width) * self._uniform(pictures, step, draw=6)
        cropped = tf.image.crop_and_resize(
            tf.cast(pictures, tf.float32),
            tf.stack([top, left, top + height, left + width], axis=1),
            tf.range(tf.shape(pictures)[0]),
            size,
        )
        return tf.ensure_shape(
            tf.cast(tf.round(cropped), tf.uint8), (None, *size, self._image.channels)
        )

    def _changed_by_user(self, pictures: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Calls the user's function.

        Raises:
            ValueError: its result has another shape or dtype than its input.
        """
        assert self._custom is not None
        changed = self._custom(pictures, self._draw_seed(step, draw=8))
        wanted = tf.TensorSpec(pictures.shape, pictures.dtype)
        if not tf.is_tensor(changed) or not wanted.is_compatible_with(changed):
            given = tf.TensorSpec.from_tensor(changed) if tf.is_tensor(changed) else type(changed)
            raise ValueError(
                f"trainer.augment.custom: {self._config.custom} must return {wanted}, not {given}"
            )
        return changed

    def _mixed(
        self, values: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def mix_with(mixer: keras.layers.Layer) -> tuple[tf.Tensor, tf.Tensor]:
            mixed = mixer({"images": values, "labels": labels}, training=True)
            return mixed["images"], mixed["labels"]

        if not self._mixers:
            return values, labels
        if len(self._mixers) == 1:
            return mix_with(self._mixers[0])
        mixup, cutmix = self._mixers
        first = tf.random.stateless_uniform((), self._draw_seed(step, draw=7)) < 0.5
        return tf.cond(first, lambda: mix_with(mixup), lambda: mix_with(cutmix))

    def _draw_seed(self, step: tf.Tensor, draw: int) -> tf.Tensor:
        # Every replica has a part of the batch, and draws of its own.
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.stack(
            [
                tf.constant(self._seed * _MOST_DRAWS + draw, tf.int64),
                tf.cast(step, tf.int64) + tf.cast(replica, tf.int64) * _MOST_STEPS,
            ]
        )

    def _uniform(self, pictures: tf.Tensor, step: tf.Tensor, draw: int) -> tf.Tensor:
        """Returns one float32 in [0, 1) for each image."""
        return tf.random.stateless_uniform((tf.shape(pictures)[0],), self._draw_seed(step, draw))

    def _whole_numbers(
        self, pictures: tf.Tensor, step: tf.Tensor, draw: int, below: int
    ) -> tf.Tensor:
        """Returns one int32 in [0, below) for each image."""
        return tf.random.stateless_uniform(
            (tf.shape(pictures)[0],),
            self._draw_seed(step, draw),
            minval=0,
            maxval=below,
            dtype=tf.int32,
        )


def _keras_layers(config: AugmentConfig, seed: int) -> list[keras.layers.Layer]:
    """Returns the layers for colour changes and RandAugment."""
    layers: list[keras.layers.Layer] = []
    if config.brightness or config.contrast or config.saturation or config.hue:
        layers.append(
            keras.layers.RandomColorJitter(
                value_range=_VALUE_RANGE,
                brightness_factor=config.brightness or None,
                contrast_factor=config.contrast or None,
                saturation_factor=config.saturation or None,
                hue_factor=config.hue or None,
                seed=seed,
            )
        )
    if config.rand_augment_ops:
        layers.append(
            keras.layers.RandAugment(
                value_range=_VALUE_RANGE,
                num_ops=config.rand_augment_ops,
                factor=config.rand_augment_factor,
                seed=seed,
            )
        )
    return layers
