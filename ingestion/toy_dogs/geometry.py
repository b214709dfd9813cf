"""Outlines made of corners: ellipses, smooth curves, rounded limbs, and what fur grows along.

All of it is plain geometry; what the outlines are filled with is in `ingestion.toy_dogs.shapes`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]  # (num_points, 2): x to the right, y down
Bones: TypeAlias = Sequence[tuple[float, float]]  # corners that a curve goes through

_DOT_POINTS = 10  # corners of a dot
_TINY = 1e-9  # keeps a direction finite where two corners coincide


def ellipse(
    x: float, y: float, rx: float, ry: float, angle: float = 0.0, num_points: int = 20
) -> Points:
    """Gives an ellipse.

    Args:
        x: Middle, across.
        y: Middle, downwards.
        rx: Half the width.
        ry: Half the height.
        angle: Where on the circle its first corner lies, in radians.
        num_points: Number of corners.

    Returns:
        Its corners.
    """
    return _circle(num_points, angle) * (rx, ry) + (x, y)


def dot(x: float, y: float, rx: float, ry: float) -> Points:
    """Gives a small ellipse with few corners, since a dog has hundreds of spots or curls.

    Args:
        x: Middle, across.
        y: Middle, downwards.
        rx: Half the width.
        ry: Half the height.

    Returns:
        Its corners.
    """
    return ellipse(x, y, rx, ry, num_points=_DOT_POINTS)


@functools.cache
def _circle(num_points: int, angle: float) -> Points:
    """Gives corners on the unit circle; the same few are asked for thousands of times."""
    turns = np.linspace(0.0, 2.0 * np.pi, num_points, endpoint=False) + angle
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def spline(corners: Bones, *, closed: bool = True) -> Points:
    """Draws a smooth (Catmull-Rom) curve through the corners.

    Args:
        corners: What the curve goes through.
        closed: Whether it goes back to where it began.

    Returns:
        Points along the curve.
    """
    points = np.array(corners)
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    padded = np.concatenate([before, points, after])
    t = np.linspace(0.0, 1.0, 6, endpoint=False)[:, None]
    curve = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]  # fmt: skip
    return np.concatenate(curve if closed else [*curve, points[-1:]])


def limb(bones: Bones, widths: Sequence[float]) -> Points:
    """Outlines a rounded limb around a curve.

    Args:
        bones: What the curve in the middle of the limb goes through.
        widths: Half the limb's width at each of the bones.

    Returns:
        The limb's corners.
    """
    spine = spline(bones, closed=False)
    half = np.interp(np.linspace(0, len(bones) - 1, len(spine)), range(len(bones)), widths)
    along = np.gradient(spine, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None] + _TINY
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    turn = np.linspace(0.0, np.pi, 8)[1:-1, None]
    end = spine[-1] + half[-1] * (across[-1] * np.cos(turn) + along[-1] * np.sin(turn))
    start = spine[0] - half[0] * (across[0] * np.cos(turn) + along[0] * np.sin(turn))
    left, right = spine + across * half[:, None], spine - across * half[:, None]
    return np.concatenate([left, end, right[::-1], start])


def resampled(outline: Points, step: float) -> Points:
    """Puts the corners of a polygon at equal distances, so that fur is even all around.

    Args:
        outline: The polygon.
        step: The distance, measured along the polygon.

    Returns:
        The polygon's new corners.
    """
    ring = np.concatenate([outline, outline[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    at = np.arange(0.0, lengths[-1], step)
    return np.stack([np.interp(at, lengths, ring[:, axis]) for axis in (0, 1)], axis=1)


def outward_normals(outline: Points) -> Points:
    """Gives the direction away from a polygon's inside at each of its corners.

    Args:
        outline: The polygon; its corners may run either way round.

    Returns:
        A vector of length 1 for each corner; 0 where its neighbours coincide.
    """
    edge = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    return normal / (np.hypot(*normal.T)[:, None] + _TINY) * np.sign(_area(outline))


def _area(outline: Points) -> float:
    """Gives the signed area: positive where the corners run clockwise as seen."""
    x, y = outline.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)
