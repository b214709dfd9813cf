"""The fur of a toy dog: a curly or shaggy outline, and curls all over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.colours import Colour, tinted
from ingestion.toy_dogs.geometry import Points, dot, outward_normals, resampled
from ingestion.toy_dogs.shapes import Marks, Shape

_FUR_STEP = 0.03  # between two corners of a furry outline
_SCALLOP, _CURL_STEP, _TUFT = 0.07, 0.17, 0.1  # depth of a scallop, pitch of curls, depth of a tuft


def groomed(shape: Shape, breed: Breed, rng: np.random.Generator) -> Shape:
    """Gives a shape its breed's fur: scallops and curls, or tufts.

    Args:
        shape: The shape to groom.
        breed: Gives the fur.
        rng: Decides how every curl or tuft looks.

    Returns:
        The shape with its fur; a smooth one as it is.
    """
    if not shape.furry or breed.fur == "smooth":
        return shape
    outline = resampled(shape.outline, _FUR_STEP)
    steps = np.arange(len(outline))
    outward = outward_normals(outline)
    if breed.fur == "curly":
        waves = _SCALLOP * np.abs(np.sin(steps * np.pi / 6))  # a scallop every 6 corners
        marks = shape.marks + _curls(outline, shape.fill, rng)
        return replace(shape, outline=outline + outward * waves[:, None], marks=marks)
    teeth = (steps % 5) / 5 * rng.uniform(0.6, 1.2, len(steps))  # a tuft every 5 corners
    return replace(shape, outline=outline + outward * _TUFT * teeth[:, None])


def _curls(outline: Points, fill: Colour, rng: np.random.Generator) -> Marks:
    """Covers a shape with curls, each a bright disc over a dark one."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    curls = []
    for row in np.arange(low[1], high[1], _CURL_STEP):
        for column in np.arange(low[0], high[0], _CURL_STEP):
            x, y = np.array([column, row]) + rng.uniform(-0.05, 0.05, 2)
            dark, bright = rng.uniform(0.72, 0.9), rng.uniform(0.97, 1.1)
            below = dot(x + 0.02, y + 0.02, 0.085, 0.085)
            above = dot(x, y, 0.07, 0.07)
            curls += [(below, tinted(fill, dark)), (above, tinted(fill, bright))]
    return tuple(curls)
