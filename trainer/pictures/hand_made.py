"""Applies hand-made filters to an image, to show what a convolution does before any training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trainer.pictures.feature_maps import as_tile
from trainer.pictures.filters import signed_to_grey
from trainer.pictures.sheet import (
    BACKGROUND,
    MARGIN_PX,
    Section,
    draw_section,
    draw_sheet,
    draw_text,
    enlarged,
)

_FILTER_PX = 7
_BLOB_SIGMA_PX = 1.5
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow's "L"
_FILTER_DRAWN_PX, _RESULT_PX, _CAPTION_PX = 91, 208, 13  # 13 px for each weight
_OUTLINE_GREY = 160


def hand_made_filters() -> dict[str, npt.NDArray[np.float32]]:
    """Returns four filters `(7, 7)` float32 by name.

    Positive weights sum to 1 and negative ones to -1: a uniform area gives 0, and responses stay
    within the range of the image.
    """
    y, x = np.mgrid[:_FILTER_PX, :_FILTER_PX].astype(np.float32) - _FILTER_PX // 2
    distance = (x**2 + y**2) / (2 * _BLOB_SIGMA_PX**2)
    blob = (1 - distance) * np.exp(-distance)  # the negative Laplacian of a Gaussian
    filters = {
        "horizontal edge": np.sign(-y),
        "vertical edge": np.sign(-x),
        "diagonal edge": np.sign(-x - y),
        "blob": blob - blob.mean(),
    }
    return {
        name: (weights / np.abs(weights).sum() * 2).astype(np.float32)
        for name, weights in filters.items()
    }


def lay_over(
    picture: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Convolves an image with a filter, as a convolution layer does: unflipped.

    Args:
        picture: `(height, width)` float32. Its border is mirrored, to be no edge itself.
        weights: `(rows, columns)` float32, both odd.

    Returns:
        `(height, width)` float32.
    """
    rows, columns = weights.shape
    padded = np.pad(picture, ((rows // 2,) * 2, (columns // 2,) * 2), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape)
    return np.einsum("yxij,ij->yx", windows, weights, optimize=True).astype(np.float32)


def draw_hand_made(picture: npt.NDArray[np.uint8]) -> Image.Image:
    """Draws an image `(height, width, 1 or 3)` uint8 in grey, and each filter with its result."""
    grey = _grey(picture)
    blocks = [
        _block(name, weights, lay_over(grey, weights))
        for name, weights in hand_made_filters().items()
    ]
    columns = 2
    rows = [
        _side_by_side(blocks[start : start + columns]) for start in range(0, len(blocks), columns)
    ]
    source = Section("picture", "The picture in grey", [grey.astype(np.uint8)], columns=3)
    return draw_sheet(
        "Hand-made 7 x 7 filters: white where the picture is like the filter",
        [draw_section(source), *rows],
    )


def _grey(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    if picture.shape[-1] == 1:
        return as_tile(picture).astype(np.float32)
    return (picture.astype(np.float32) @ _LUMA).round()


def _block(
    name: str, weights: npt.NDArray[np.float32], result: npt.NDArray[np.float32]
) -> Image.Image:
    height, width = result.shape
    scale = _RESULT_PX / max(height, width)
    filter_drawn = enlarged(signed_to_grey(weights, None), (_FILTER_DRAWN_PX, _FILTER_DRAWN_PX))
    outline = (0, 0, _FILTER_DRAWN_PX - 1, _FILTER_DRAWN_PX - 1)  # white weights on white paper
    ImageDraw.Draw(filter_drawn).rectangle(outline, outline=_OUTLINE_GREY)
    result_drawn = enlarged(
        signed_to_grey(result, None), (max(1, round(width * scale)), max(1, round(height * scale)))
    )
    block_width = _FILTER_DRAWN_PX + MARGIN_PX // 2 + _RESULT_PX
    caption = draw_text(name, _CAPTION_PX, bold=False, width_px=block_width)
    block = Image.new(
        "RGB",
        (block_width, caption.height + max(_FILTER_DRAWN_PX, result_drawn.height)),
        BACKGROUND,
    )
    block.paste(caption, (0, 0))
    block.paste(filter_drawn, (0, caption.height))
    block.paste(result_drawn, (_FILTER_DRAWN_PX + MARGIN_PX // 2, caption.height))
    return block


def _side_by_side(blocks: list[Image.Image]) -> Image.Image:
    width = sum(block.width + MARGIN_PX for block in blocks)
    row = Image.new("RGB", (width, max(block.height for block in blocks)), BACKGROUND)
    left = 0
    for block in blocks:
        row.paste(block, (left, 0))
        left += block.width + MARGIN_PX
    return row
