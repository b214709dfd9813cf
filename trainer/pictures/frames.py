"""Frames of an evolution: PNG files named by step, and the animation made of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

_NAME = re.compile(r"step-(\d+)\.png")
_MAX_GIF_FRAMES = 200  # forty seconds; more are thinned out evenly
_FRAME_MS, _LAST_FRAME_MS = 200, 2000
_QUICK_PNG = 3  # zlib's level: a training waits for it


class Frames:
    """The frames in a folder, which outlive a training that is killed.

    Args:
        folder: made when the first frame is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def steps(self) -> list[int]:
        """Steps of which there are frames, in order."""
        names = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(int(match[1]) for path in names if (match := _NAME.fullmatch(path.name)))

    def path(self, step: int) -> Path:
        """Where the frame of a step is."""
        return self._folder / f"step-{step:08d}.png"

    def save(self, frame: Image.Image, step: int) -> None:
        """Writes a frame, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / ".half-written"
        frame.save(half, "PNG", compress_level=_QUICK_PNG)
        os.replace(half, self.path(step))

    def drop_after(self, step: int) -> None:
        """Removes the frames of later steps, which will be done anew."""
        for later in self.steps():
            if later > step:
                self.path(later).unlink()

    def write_gif(self, path: Path) -> bool:
        """Makes the animation, of at most 200 frames.

        Returns:
            Whether there was a frame to make it of.
        """
        steps = self.steps()
        if not steps:
            return False
        places = np.linspace(0, len(steps) - 1, min(len(steps), _MAX_GIF_FRAMES)).round()
        first, *others = (self._quantized(steps[int(place)]) for place in places)
        first.save(
            path,
            "GIF",
            save_all=True,
            append_images=others,
            duration=[_FRAME_MS] * len(others) + [_LAST_FRAME_MS],
            loop=0,
        )
        return True

    def _quantized(self, step: int) -> Image.Image:
        with Image.open(self.path(step)) as frame:
            return frame.quantize(dither=Image.Dither.NONE)
