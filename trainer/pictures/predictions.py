"""Draws a grid of eval images, each titled with its predicted and its true class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from trainer.pictures.feature_maps import as_tile
from trainer.pictures.sheet import BACKGROUND, INK, MARGIN_PX, Tile, enlarged, load_font, wrap

NUM_ROWS, NUM_COLUMNS = 6, 12
RIGHT_COLOUR, WRONG_COLOUR = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion, which colour-blind people can tell apart (Okabe and Ito, 2008)."""

_RIGHT_MARK, _WRONG_MARK = "✓", "✗"
_NO_BREAK = "\N{NO-BREAK SPACE}"
_PICTURE_PX, _BORDER_PX, _GAP_PX = 100, 4, 10
_CELL_PX = _PICTURE_PX + 2 * _BORDER_PX
_TALLEST = 1.7  # height of an image by its width
_FONT_PX, _LINE_PX, _HEADING_PX = 12, 15, 17
_MAX_LINES = 3  # of a class name


@dataclass(frozen=True)
class Guess:
    """An eval image with predicted and true class."""

    picture: Tile
    """`(height, width)` or `(height, width, 3)` uint8."""
    predicted: str
    """The most probable class."""
    true: str
    """The label."""

    @property
    def right(self) -> bool:
        """Whether the prediction is correct."""
        return self.predicted == self.true

    @property
    def colour(self) -> tuple[int, int, int]:
        """Colour of the frame and of the predicted class."""
        return RIGHT_COLOUR if self.right else WRONG_COLOUR

    def titles(self) -> tuple[list[str], list[str]]:
        """Returns the lines of the predicted class, with a mark, and those of the true one."""
        mark = _RIGHT_MARK if self.right else _WRONG_MARK
        # Folder names have underscores for spaces; the line must not break after the mark.
        predicted = f"{mark}{_NO_BREAK}{self.predicted.replace('_', ' ')}"
        true = f"is{_NO_BREAK}{self.true.replace('_', ' ')}"
        return (
            wrap(predicted, _bold(), _CELL_PX, max_lines=_MAX_LINES),
            wrap(true, load_font(_FONT_PX), _CELL_PX, max_lines=_MAX_LINES),
        )


def guess(
    network: keras.Model,
    eval_batches: tf.data.Dataset,
    breeds: Sequence[str],
    num_pictures: int = NUM_ROWS * NUM_COLUMNS,
) -> list[Guess]:
    """Classifies the first images of the eval split.

    Args:
        network: from `(batch, height, width, channels)` uint8 to `(batch, num_classes)` logits.
        eval_batches: images and one-hot labels `(batch, num_classes)` float32.
        breeds: class names in label order.
        num_pictures: number of images; fewer where the split is smaller.
    """
    guesses: list[Guess] = []
    for pictures, labels in eval_batches:
        missing = num_pictures - len(guesses)
        pictures, labels = pictures[:missing], labels[:missing]
        logits = network(pictures, training=False)
        for picture, predicted, true in zip(
            pictures.numpy(), np.argmax(logits, axis=-1), np.argmax(labels, axis=-1), strict=True
        ):
            guesses.append(Guess(as_tile(picture), breeds[predicted], breeds[true]))
        if len(guesses) >= num_pictures:
            break
    return guesses


def draw_predictions(guesses: Sequence[Guess], step: int) -> Image.Image:
    """Draws the grid: correct ones with a tick in blue, wrong ones with a cross in vermilion."""
    num_right = sum(guess.right for guess in guesses)
    heading = (
        f"Eval pictures after {step:,} steps: {num_right} of {len(guesses)} right.   "
        f"{_RIGHT_MARK} right   {_WRONG_MARK} wrong   Below the guess: what it is."
    )
    rows = [
        _draw_row(guesses[start : start + NUM_COLUMNS])
        for start in range(0, len(guesses), NUM_COLUMNS)
    ]
    font = load_font(_HEADING_PX, bold=True)
    row_width = NUM_COLUMNS * (_CELL_PX + _GAP_PX) - _GAP_PX
    height = _HEADING_PX + sum(row.height + MARGIN_PX for row in rows) + 2 * MARGIN_PX
    sheet = Image.new("RGB", (row_width + 2 * MARGIN_PX, height), BACKGROUND)
    ImageDraw.Draw(sheet).text((MARGIN_PX, MARGIN_PX), heading, fill=INK, font=font)
    top = 2 * MARGIN_PX + _HEADING_PX
    for row in rows:
        sheet.paste(row, (MARGIN_PX, top))
        top += row.height + MARGIN_PX
    return sheet


def _draw_row(guesses: Sequence[Guess]) -> Image.Image:
    titles = [guess.titles() for guess in guesses]
    num_lines = max(len(predicted) + len(true) for predicted, true in titles)
    pictures = [_framed(guess) for guess in guesses]
    title_height = num_lines * _LINE_PX + _BORDER_PX
    row = Image.new(
        "RGB",
        (
            NUM_COLUMNS * (_CELL_PX + _GAP_PX) - _GAP_PX,
            title_height + max(picture.height for picture in pictures),
        ),
        BACKGROUND,
    )
    draw = ImageDraw.Draw(row)
    for column, (guess, (predicted, true), picture) in enumerate(
        zip(guesses, titles, pictures, strict=True)
    ):
        left = column * (_CELL_PX + _GAP_PX)
        top = (num_lines - len(predicted) - len(true)) * _LINE_PX  # titles align at the bottom
        for line in predicted:
            draw.text((left, top), line, fill=guess.colour, font=_bold())
            top += _LINE_PX
        for line in true:
            draw.text((left, top), line, fill=INK, font=load_font(_FONT_PX))
            top += _LINE_PX
        row.paste(picture, (left, title_height))
    return row


def _framed(guess: Guess) -> Image.Image:
    """Draws the image in a frame of the guess's colour, all of the same width."""
    height, width = guess.picture.shape[:2]
    scale = min(_PICTURE_PX / width, _TALLEST * _PICTURE_PX / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    framed = Image.new("RGB", (_CELL_PX, size[1] + 2 * _BORDER_PX), guess.colour)
    framed.paste(enlarged(guess.picture, size), ((_CELL_PX - size[0]) // 2, _BORDER_PX))
    return framed


def _bold() -> ImageFont.FreeTypeFont:
    return load_font(_FONT_PX, bold=True)
