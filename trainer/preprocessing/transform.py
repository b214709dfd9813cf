"""Preprocessing for Transform, training, the Evaluator and serving.

Transform stores every image as a small JPEG of exactly the network's size, a tenth to a thirtieth
of its size as floats. JPEG is lossy, so that it is part of the definition: serving passes images
through the same saved Transform graph, and a network never sees other pixels than in training.

TFX's Transform calls `preprocessing_fn`; `trainer.training.input` and `trainer.export.signatures`
call `load_stored`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.preprocessing.encoded_image import refuse_costly
from trainer.preprocessing.features import BREED_KEY, IMAGE_KEY, LABEL_KEY, transformed_name
from trainer.preprocessing.image import ImageSpec, TransformConfig


def preprocessing_fn(
    inputs: dict[str, tf.Tensor | tf.SparseTensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Builds the Transform graph.

    Args:
        inputs: raw features, each `(batch, 1)`, dense or sparse.
        custom_config: `image` and `transform`, as JSON of `ImageSpec` and `TransformConfig`.

    Returns:
        By transformed name: the stored image `(batch,)` string, the label `(batch,)` int64 and the
        class name `(batch,)` string.
    """
    image = ImageSpec.model_validate(custom_config["image"])
    transform = TransformConfig.model_validate(custom_config["transform"])
    return {
        transformed_name(IMAGE_KEY): tf.map_fn(
            lambda encoded: store(
                fit_picture(decode_picture(encoded), image, transform), transform
            ),
            _one_value_each(inputs[IMAGE_KEY]),
            fn_output_signature=tf.string,
        ),
        transformed_name(LABEL_KEY): _one_value_each(inputs[LABEL_KEY]),
        transformed_name(BREED_KEY): _one_value_each(inputs[BREED_KEY]),
    }


def decode_picture(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or the first frame of a GIF.

    Args:
        encoded: scalar string.

    Returns:
        `(height, width, 3)` uint8 in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the bytes are of another format,
            truncated, or too costly to decode (`trainer.preprocessing.encoded_image`).
    """
    picture = tf.io.decode_image(refuse_costly(encoded), channels=3, expand_animations=False)
    return tf.ensure_shape(picture, (None, None, 3))


def fit_picture(picture: tf.Tensor, image: ImageSpec, transform: TransformConfig) -> tf.Tensor:
    """Scales an image `(height, width, 3)` uint8 of any size to the network's size and channels.

    Returns:
        `(image.height_px, image.width_px, image.channels)` uint8 in [0, 255].
    """
    size = (image.height_px, image.width_px)
    if image.channels == 1:
        picture = tf.image.rgb_to_grayscale(picture)
    if transform.fit == "pad":
        fitted = _scale_within(picture, image)
    else:
        if transform.fit == "crop":
            picture = _crop_to_aspect(picture, image)
        fitted = tf.image.resize(picture, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(fitted), 0, 255), tf.uint8)


def store(picture: tf.Tensor, transform: TransformConfig) -> tf.Tensor:
    """Encodes a fitted image `(height, width, channels)` uint8 as scalar JPEG bytes."""
    return tf.io.encode_jpeg(
        picture, quality=transform.jpeg_quality, chroma_downsampling=False, optimize_size=False
    )


def load_stored(stored: tf.Tensor, image: ImageSpec) -> tf.Tensor:
    """Decodes a stored image, scalar string, to `image.shape` uint8 in [0, 255].

    The inverse DCT is given because its default, and with it the pixels, differs between builds of
    libjpeg.
    """
    picture = tf.io.decode_jpeg(stored, channels=image.channels, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(picture, image.shape)


def _crop_to_aspect(picture: tf.Tensor, image: ImageSpec) -> tf.Tensor:
    """Crops the largest centred part with the aspect ratio of `image`."""
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    aspect = image.width_px / image.height_px
    new_height = tf.minimum(height, _at_least_one(tf.cast(width, tf.float32) / aspect))
    new_width = tf.minimum(width, _at_least_one(tf.cast(height, tf.float32) * aspect))
    return tf.image.crop_to_bounding_box(
        picture, (height - new_height) // 2, (width - new_width) // 2, new_height, new_width
    )


def _scale_within(picture: tf.Tensor, image: ImageSpec) -> tf.Tensor:
    """Scales an image to fit within the size of `image`, centred on black.

    `tf.image.resize_with_pad` fails on an image so narrow that its shorter side becomes 0.
    """
    height, width = (tf.cast(tf.shape(picture)[axis], tf.float32) for axis in (0, 1))
    scale = tf.minimum(image.height_px / height, image.width_px / width)
    new_height, new_width = _at_least_one(height * scale), _at_least_one(width * scale)
    scaled = tf.image.resize(picture, (new_height, new_width), antialias=True)
    return tf.image.pad_to_bounding_box(
        scaled,
        (image.height_px - new_height) // 2,
        (image.width_px - new_width) // 2,
        image.height_px,
        image.width_px,
    )


def _at_least_one(size: tf.Tensor) -> tf.Tensor:
    return tf.maximum(1, tf.cast(tf.round(size), tf.int32))


def _one_value_each(feature: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Flattens a single-valued feature: `(batch, 1)` to `(batch,)`."""
    if isinstance(feature, tf.SparseTensor):
        return feature.values
    return tf.reshape(feature, (-1,))
