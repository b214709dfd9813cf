"""Checks the cost of decoding an image from its bytes, before anything is decoded.

A file of a few kilobytes may declare gigabytes of pixels, hold thousands of frames, or make a
decoder pass over it thousands of times. The check is part of the graph, because one such request
could make a model server run out of memory or time.

Formats: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, https://www.w3.org/TR/png,
https://www.w3.org/Graphics/GIF/spec-gif89a.txt; of BMP the fields that TensorFlow's decoder reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ingestion.picture import MAX_MEGAPIXELS

_MAX_SCANS = 100
"""Scans of a progressive JPEG; encoders write about ten."""
_MAX_GIF_EXTENSIONS = 64
"""Extension blocks before the first frame; encoders write two or three."""
_MAX_GIF_PARTS = 1 << 16
"""Sub-blocks, of up to 255 bytes, of one block of a GIF."""
_HEADER_BYTES = 32
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
_START_OF_SCAN = b"\xff\xda\x00"  # rare elsewhere: 0xFF is stuffed within a scan
_GIF_SCREEN_BYTES = 13
_GIF_FRAME_BYTES = 10
_GIF_EXTENSION, _GIF_FRAME, _GIF_END = 0x21, 0x2C, b"\x3b"


class _Declared(NamedTuple):
    """Size and data of an image, as its bytes declare them."""

    width_px: tf.Tensor
    """Scalar int64."""
    height_px: tf.Tensor
    """Scalar int64."""
    encoded: tf.Tensor
    """Scalar string, without further frames."""


def refuse_costly(encoded: tf.Tensor) -> tf.Tensor:
    """Refuses encoded images that would take a server too much memory or time to decode.

    Returns:
        The same bytes, scalar string; of a GIF only the first frame, because its decoder decodes
        all.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the bytes are no JPEG, PNG, GIF or
            BMP, or an image above the limits.
    """
    header = _bytes(tf.strings.substr(encoded, 0, _HEADER_BYTES), at_least=_HEADER_BYTES)
    is_format = tf.stack([tf.reduce_all(header[: len(start)] == [*start]) for start in _STARTS])
    formats: list[Callable[[], _Declared]] = [
        lambda: _jpeg(encoded),
        lambda: _Declared(_number(header[19:15:-1]), _number(header[23:19:-1]), encoded),
        lambda: _gif(encoded, header),
        lambda: _Declared(_number(header[18:22]), _unsigned(_number(header[22:26])), encoded),
        lambda: _unknown(encoded),
    ]
    index = tf.where(
        tf.reduce_any(is_format), tf.argmax(is_format, output_type=tf.int32), len(_STARTS)
    )
    width_px, height_px, encoded = tf.switch_case(index, formats)
    with _refuse_unless(
        # Divided, because the product of two declared sizes may overflow an int64.
        height_px <= MAX_MEGAPIXELS * 1_000_000 // tf.maximum(width_px, 1),
        "The picture declares ",
        tf.strings.as_string(width_px),
        " x ",
        tf.strings.as_string(height_px),
        f" pixels; more than {MAX_MEGAPIXELS} megapixels are not decoded",
    ):
        return tf.identity(encoded)


def _jpeg(encoded: tf.Tensor) -> _Declared:
    num_scans = tf.size(tf.strings.split(encoded, _START_OF_SCAN)) - 1
    with _refuse_unless(
        num_scans <= _MAX_SCANS,
        "The JPEG has ",
        tf.strings.as_string(num_scans),
        f" scans; more than {_MAX_SCANS} are not decoded",
    ):
        shape = tf.io.extract_jpeg_shape(encoded, output_type=tf.int64)
    return _Declared(shape[1], shape[0], encoded)


def _gif(encoded: tf.Tensor, header: tf.Tensor) -> _Declared:
    """Finds the first frame after the extension blocks, and its end."""
    length = tf.strings.length(encoded)
    # The zero after the end terminates parts, extensions and frames.
    content = tf.io.decode_raw(tf.strings.join([encoded, b"\0"]), tf.uint8)

    def byte(position: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(content, tf.minimum(position, length)), tf.int32)

    def after_parts(position: tf.Tensor) -> tf.Tensor:
        def next_part(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            position += 1 + size
            return position, byte(position)

        end, _ = tf.while_loop(
            lambda position, size: size > 0,
            next_part,
            (position, byte(position)),
            maximum_iterations=_MAX_GIF_PARTS,
        )
        return end + 1

    [frame] = tf.while_loop(
        lambda at: tf.equal(byte(at), _GIF_EXTENSION),
        lambda at: [after_parts(at + 2)],
        [_GIF_SCREEN_BYTES + _colour_table_bytes(header[10])],
        maximum_iterations=_MAX_GIF_EXTENSIONS,
    )
    with _refuse_unless(
        tf.equal(byte(frame), _GIF_FRAME) & (frame + _GIF_FRAME_BYTES < length),
        "The GIF has no frame, or one that is not found behind its other blocks",
    ):
        fields = tf.cast(content[frame : frame + _GIF_FRAME_BYTES], tf.int32)
        fields = tf.ensure_shape(fields, (_GIF_FRAME_BYTES,))
    end = after_parts(frame + _GIF_FRAME_BYTES + _colour_table_bytes(fields[9]) + 1)
    with _refuse_unless(
        (end <= length) & tf.equal(byte(end - 1), 0),
        "The GIF's first frame is cut short, or too large",
    ):
        first = tf.strings.substr(encoded, 0, end)
    return _Declared(_number(fields[5:7]), _number(fields[7:9]), tf.strings.join([first, _GIF_END]))


def _unknown(encoded: tf.Tensor) -> _Declared:
    # Not left to the decoder, which may learn further formats.
    with _refuse_unless(
        tf.constant(False),
        "The picture is neither a JPEG nor a PNG, GIF or BMP; it has ",
        tf.strings.as_string(tf.strings.length(encoded)),
        " bytes",
    ):
        zero = tf.constant(0, tf.int64)
        return _Declared(zero, zero, tf.identity(encoded))


def _refuse_unless(condition: tf.Tensor, *message: str | tf.Tensor) -> tf.control_dependencies:
    """Returns a context whose operations run only if `condition` holds."""
    return tf.control_dependencies([tf.debugging.Assert(condition, [tf.strings.join(message)])])


def _bytes(text: tf.Tensor, *, at_least: int) -> tf.Tensor:
    """Returns the first bytes of a scalar string: `(at_least,)` int32, zero-padded."""
    padded = tf.strings.substr(tf.strings.join([text, b"\0" * at_least]), 0, at_least)
    return tf.ensure_shape(tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int32), (at_least,))


def _number(little_endian: tf.Tensor) -> tf.Tensor:
    """Decodes `(n,)` int32 little-endian bytes to a scalar int64."""
    size = little_endian.shape[0]
    weights = [1 << 8 * place for place in range(size)]
    return tf.reduce_sum(tf.cast(little_endian, tf.int64) * weights)


def _unsigned(height_px: tf.Tensor) -> tf.Tensor:
    """Returns the absolute value of a BMP's height, which is negative in top-down files."""
    return tf.where(height_px >= 1 << 31, (1 << 32) - height_px, height_px)


def _colour_table_bytes(packed: tf.Tensor) -> tf.Tensor:
    """Returns the size of a colour table from the flags of a GIF's screen or frame."""
    return tf.where(packed >= 0x80, 3 * tf.bitwise.left_shift(2, packed & 7), 0)
