"""Text in pictures: one font that is there on every machine, and lines that are not cut off."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import matplotlib
from PIL import ImageFont

_ELLIPSIS = "…"
_WORD = re.compile(r"[^ -]*(?:-+| +|$)")  # with what separates it from the next


@functools.lru_cache
def load_font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Loads DejaVu Sans, which matplotlib brings along, for letters of `size_px` pixels.

    It has the letters of European languages and the marks for right and wrong.
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size_px
    )


def wrap(
    text: str, font: ImageFont.FreeTypeFont, width_px: float, *, max_lines: int = 2
) -> list[str]:
    """Breaks a text into lines of at most `width_px` pixels.

    Breaks lie between words and behind hyphens, within a word only where it is wider than a line.

    Args:
        text: any text; a no-break space does what its name says.
        font: what it will be drawn with.
        width_px: the widest that a line may be.
        max_lines: further lines are dropped, and the last one ends in an ellipsis.

    Returns:
        At least one line.
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
