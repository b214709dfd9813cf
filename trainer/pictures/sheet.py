"""Sheets: captioned grids of small images, one below the other.

Drawn with Pillow, which takes milliseconds: sheets are drawn repeatedly while training.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_ELLIPSIS = "…"
_WORD = re.compile(r"[^ -]*(?:-+| +|$)")  # with the separator after it


@functools.lru_cache
def load_font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Loads DejaVu Sans from matplotlib, at `size_px` pixels.

    It has the letters of European languages, a tick and a cross.
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size_px
    )


def wrap(
    text: str, font: ImageFont.FreeTypeFont, width_px: float, *, max_lines: int = 2
) -> list[str]:
    """Breaks a text into at least one line of at most `width_px` pixels.

    Lines break between words and after hyphens, within a word only if it is wider than a line.
    Lines beyond `max_lines` are dropped, and the last one ends in an ellipsis.
    """
    lines = [""]
    for word in _words(text, font, width_px):
        if font.getlength((lines[-1] + word).rstrip()) <= width_px or not lines[-1]:
            lines[-1] += word
        else:
            lines.append(word)
    lines = [line.rstrip() for line in lines]
    if len(lines) <= max_lines:
        return lines
    return [*lines[: max_lines - 1], _shortened("".join(lines[max_lines - 1 :]), font, width_px)]


def _words(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    words = []
    for word in _WORD.findall(text.strip()):
        rest = word
        while font.getlength(rest.rstrip()) > width_px and len(rest) > 1:
            fits = next(
                end for end in range(len(rest) - 1, 0, -1)
                if end == 1 or font.getlength(rest[:end]) <= width_px
            )  # fmt: skip
            words.append(rest[:fits])
            rest = rest[fits:]
        words.append(rest)
    return [word for word in words if word]


def _shortened(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    while text and font.getlength(text.rstrip() + _ELLIPSIS) > width_px:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


Tile = npt.NDArray[np.uint8]
"""A small image, `(height, width)` grey or `(height, width, 3)` RGB, uint8."""

BACKGROUND = (255, 255, 255)
INK = (32, 32, 32)
MARGIN_PX = 12
MAX_TILES = 64
"""Most tiles in a section: more would be too small to see."""

_WIDTH_PX = 640  # of the grid, without margins
_GAP_PX = 4
_OUTLINE = (120, 150, 185)  # neither white nor black, to show where tiles end
_FEW, _MANY = 8, 16  # columns
_TALLEST = 1.7  # height of a tile by its width
_CAPTION_PX, _TITLE_PX = 13, 16
_LINE_SPACING = 1.35


@dataclass(frozen=True)
class Section:
    """A captioned grid of tiles."""

    name: str
    """Tag in TensorBoard."""
    caption: str
    """Line above the grid."""
    tiles: Sequence[Tile]
    """Images of equal size, row by row."""
    columns: int | None = None
    """Images per row; None chooses."""

    def grid(self) -> tuple[int, int, int]:
        """Returns columns, tile width and tile height, in pixels of the sheet."""
        columns = self.columns or (_FEW if len(self.tiles) <= 2 * _FEW else _MANY)
        cell = _WIDTH_PX // columns - _GAP_PX
        height, width = self.tiles[0].shape[:2]
        scale = min(cell / width, _TALLEST * cell / height)
        return columns, max(1, round(width * scale)), max(1, round(height * scale))


def draw_section(section: Section) -> Image.Image:
    """Draws a section: RGB, as wide as every other."""
    columns, width, height = section.grid()
    rows = -(-len(section.tiles) // columns)
    caption = draw_text(section.caption, _CAPTION_PX, bold=False)
    picture = Image.new("RGB", (_WIDTH_PX, caption.height + rows * (height + _GAP_PX)), BACKGROUND)
    picture.paste(caption, (0, 0))
    outline = ImageDraw.Draw(picture)
    for index, tile in enumerate(section.tiles):
        row, column = divmod(index, columns)
        place = (1 + column * (width + _GAP_PX), caption.height + row * (height + _GAP_PX))
        picture.paste(enlarged(tile, (width, height)), place)
        outline.rectangle(
            (place[0] - 1, place[1] - 1, place[0] + width, place[1] + height), outline=_OUTLINE
        )
    return picture


def draw_sheet(title: str, parts: Sequence[Image.Image]) -> Image.Image:
    """Stacks drawn sections below a title, with a margin: RGB."""
    parts = [draw_text(title, _TITLE_PX, bold=True), *parts]
    height = sum(part.height + MARGIN_PX for part in parts) + MARGIN_PX
    sheet = Image.new("RGB", (_WIDTH_PX + 2 * MARGIN_PX, height), BACKGROUND)
    top = MARGIN_PX
    for part in parts:
        sheet.paste(part, (MARGIN_PX, top))
        top += part.height + MARGIN_PX
    return sheet


def enlarged(tile: Tile, size: tuple[int, int]) -> Image.Image:
    """Scales a tile to (width, height) px; enlarged pixels stay sharp."""
    picture = Image.fromarray(tile)
    grows = size[0] >= picture.width
    return picture.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def draw_text(text: str, size_px: int, *, bold: bool, width_px: int = _WIDTH_PX) -> Image.Image:
    """Draws a text in up to three lines of `width_px`: RGB."""
    font = load_font(size_px, bold=bold)
    lines = wrap(text, font, width_px, max_lines=3)
    step = round(size_px * _LINE_SPACING)
    picture = Image.new("RGB", (width_px, step * len(lines)), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for index, line in enumerate(lines):
        draw.text((0, index * step), line, fill=INK, font=font)
    return picture
