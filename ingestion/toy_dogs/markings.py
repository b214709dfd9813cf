"""The markings of a toy dog: where saddles, blazes, masks, patches and spots lie on its parts.

Where they lie is drawing, chosen by eye, in fractions of the box around the part.
"""

from __future__ import annotations

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.coats import Coat
from ingestion.toy_dogs.geometry import Points, dot, ellipse
from ingestion.toy_dogs.shapes import Marks


def body_marks(breed: Breed, coat: Coat, outline: Points, rng: np.random.Generator) -> Marks:
    """Marks the trunk.

    Args:
        breed: Gives the pattern.
        coat: Gives the colours.
        outline: The trunk's, or a haunch's.
        rng: Decides where exactly the marks are.

    Returns:
        The marks, to be clipped to the outline.
    """
    match breed.pattern:
        case "saddle":
            width = rng.uniform(0.4, 0.56)
            return (
                (_patch(outline, rng.uniform(0.42, 0.5), 0.12, width, 0.62), coat.mark),
                (_patch(outline, 0.98, 0.85, 0.3, 0.5), coat.light),
            )
        case "mask":
            return ((_patch(outline, 0.62, 1.05, 0.8, 0.48), coat.light),)
        case "points":
            return ((_patch(outline, 0.98, 0.8, 0.16, 0.3), coat.muzzle),)
        case "patches":
            middles = np.array([0.15, 0.7]) + rng.uniform(-0.1, 0.1, 2)
            heights, widths = rng.uniform(0.1, 0.6, 2), rng.uniform(0.14, 0.24, 2)
            boxes = zip(middles, heights, widths, rng.uniform(0.3, 0.55, 2), strict=True)
            return tuple((_patch(outline, *box), coat.mark) for box in boxes)
        case "spots":
            return _spots(coat, outline, rng, 0.12)
        case "plain":
            return ()


def leg_marks(breed: Breed, coat: Coat, outline: Points, rng: np.random.Generator) -> Marks:
    """Marks a leg.

    Args:
        breed: Gives the pattern.
        coat: Gives the colours.
        outline: The leg's.
        rng: Decides where exactly the marks are.

    Returns:
        The marks, to be clipped to the outline.
    """
    if breed.pattern == "spots":
        return _spots(coat, outline, rng, 0.07)
    return ((_patch(outline, 0.5, 1.0, 1.0, 0.36), coat.paw),)


def head_marks(
    breed: Breed, coat: Coat, outline: Points, rng: np.random.Generator, *, front: bool
) -> Marks:
    """Marks the skull.

    Args:
        breed: Gives the pattern.
        coat: Gives the colours.
        outline: The skull's.
        rng: Decides where exactly the marks are.
        front: Whether the dog looks at the camera.

    Returns:
        The marks, to be clipped to the outline.
    """
    middle = 0.5 if front else 0.86  # where the face is, across the skull
    match breed.pattern:
        case "saddle" | "patches":
            blaze = rng.uniform(0.08, 0.15)
            return ((_patch(outline, middle, 0.3, blaze, 0.7), coat.light),)
        case "mask":
            sides = (0.24, 0.76) if front else (0.72, 0.8)
            return (
                (_patch(outline, middle, 0.85, 0.5, 0.42), coat.light),
                *((_patch(outline, side, 0.42, 0.19, 0.24), coat.light) for side in sides),
            )
        case "points":
            brows = (0.3, 0.7) if front else (0.72,)
            return tuple((_patch(outline, u, 0.24, 0.07, 0.06), coat.muzzle) for u in brows)
        case "spots":
            return _spots(coat, outline, rng, 0.075)
        case "plain":
            return ()


def muzzle_marks(breed: Breed, coat: Coat, outline: Points, rng: np.random.Generator) -> Marks:
    """Marks a speckled dog's muzzle with small dots.

    Args:
        breed: Gives the pattern.
        coat: Gives the colours.
        outline: The muzzle's.
        rng: Decides where exactly the marks are.

    Returns:
        The marks, to be clipped to the outline.
    """
    return _spots(coat, outline, rng, 0.05) if breed.pattern in ("spots", "patches") else ()


def _spots(coat: Coat, outline: Points, rng: np.random.Generator, radius: float) -> Marks:
    """Scatters spots on a loose grid, so that they neither clump nor leave a side bare."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    step = radius * 3.3
    spots = []
    for y in np.arange(low[1], high[1] + step, step):
        for x in np.arange(low[0], high[0] + step, step):
            at = np.array([x, y]) + rng.uniform(-0.36, 0.36, 2) * step
            rx, ry = rng.uniform(0.6, 1.25, 2) * radius
            spots.append((dot(at[0], at[1], rx, ry), coat.mark))
    return tuple(spots)


def _patch(outline: Points, u: float, v: float, ru: float, rv: float) -> Points:
    """Gives an ellipse within a shape's bounding box, in fractions of that box."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    x, y = low + (high - low) * (u, v)
    return ellipse(x, y, ru * (high - low)[0], rv * (high - low)[1])
