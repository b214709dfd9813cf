"""Renders strokes: sweeps of a round brush through space, with fur.

A stroke consists of spheres, which look like discs from any side, so that it can be rotated before
it is painted. x points to the right, y down, z to the viewer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, ...]  # red, green, blue
Floats: TypeAlias = NDArray[np.float64]
Fur: TypeAlias = Literal["smooth", "spotted", "curly", "shaggy"]

_NUM_SPHERES = 18  # per stroke: the fewest that look continuous
_SPACING = {"spotted": 0.21, "curly": 0.12, "shaggy": 0.1}  # between spots or tufts, in units
_STRIDES = (0.8191725, 0.6710436, 0.5497005)  # multiples, modulo 1, fill a cube evenly


@dataclass(frozen=True)
class Stroke:
    """One sweep of a brush of changing width."""

    spheres: Floats  # centres and radii, of shape (num_spheres, 4)
    fill: Colour
    marks: Sequence[Stroke] = ()  # painted inside this one only
    fur: Fur = "smooth"
    spots: Colour = ()  # their colour, on spotted fur
    nearer: float = 0.0  # added to the depth

    @property
    def depth(self) -> float:
        """Nearness to the viewer: nearer strokes hide others."""
        return float(self.spheres[:, 2].mean()) + self.nearer


def curve(*knots: Sequence[float] | Floats) -> Floats:
    """Returns `(num_spheres, 4)` spheres along a Bézier curve; knots have the form of spheres."""
    points = [np.array([knot], dtype=np.float64) for knot in knots]
    along = np.linspace(0.0, 1.0, _NUM_SPHERES)[:, None]
    while len(points) > 1:
        points = [a + (b - a) * along for a, b in itertools.pairwise(points)]
    return points[0]


def turned(
    strokes: Iterable[Stroke], yaw: float, roll: float, scale: float, at: Iterable[float]
) -> list[Stroke]:
    """Rotates, scales and moves strokes.

    What points to the right is turned towards the viewer by `yaw`, then all clockwise by `roll`, in
    radians. All becomes `scale` times as large, and (0, 0, 0) goes to `at`.
    """
    turn, tilt, shift = np.exp(1j * yaw), np.exp(1j * roll), np.array([*at, 0.0])
    done = []
    for stroke in strokes:
        x, y, z, radius = stroke.spheres.T
        flat = (x + 1j * z) * turn
        seen = (flat.real + 1j * y) * tilt
        spheres = np.array([seen.real, seen.imag, flat.imag, radius]).T * scale + shift
        marks = turned(stroke.marks, yaw, roll, scale, at)
        done.append(replace(stroke, spheres=spheres, marks=marks, nearer=stroke.nearer * scale))
    return done


def tinted(colour: Sequence[float], factor: float) -> Colour:
    """Returns the colour with its brightness multiplied, no channel beyond 255."""
    return tuple(min(255, int(channel * factor)) for channel in colour[:3])


def paint(
    strokes: Iterable[Stroke], canvas_px: int, unit_px: float, rng: np.random.Generator
) -> Image.Image:
    """Paints strokes back to front, each with a darker edge, its marks and its fur.

    Coordinates are pixels, scaled by `unit_px`; `rng` varies spots, curls and tufts. Returns RGBA
    of (canvas_px, canvas_px), transparent where no stroke is.
    """
    picture = Image.new("RGBA", (canvas_px, canvas_px))
    draw, edge_px = ImageDraw.Draw(picture), max(1.0, canvas_px * 0.008)
    for stroke in strokes:
        shade = min(1.0, max(0.72, 1.0 + 1.1 * stroke.depth / unit_px))  # distant: darker
        _dab(draw, stroke.spheres, tinted(stroke.fill, shade * 0.62), edge_px)
        _dab(draw, stroke.spheres, tinted(stroke.fill, shade))
        if stroke.marks:
            mask, marked = Image.new("L", picture.size), picture.copy()
            _dab(ImageDraw.Draw(mask), stroke.spheres, 255)
            for mark in stroke.marks:
                _dab(ImageDraw.Draw(marked), mark.spheres, tinted(mark.fill, shade))
            picture.paste(marked, mask=mask)
        if stroke.fur != "smooth":
            _grow(picture, stroke, unit_px, rng)
    return picture


def _dab(draw: ImageDraw.ImageDraw, spheres: Floats, fill: Colour | int, edge: float = 0) -> None:
    for x, y, _, radius in spheres.tolist():
        _dot(draw, complex(x, y), radius + edge, fill)


def _dot(draw: ImageDraw.ImageDraw, at: complex, radius: float, fill: Colour | int) -> None:
    draw.ellipse((at.real - radius, at.imag - radius, at.real + radius, at.imag + radius), fill)


def _grow(picture: Image.Image, stroke: Stroke, unit: float, rng: np.random.Generator) -> None:
    """Covers a stroke evenly with spots, or with curls or tufts in the colour below them."""
    middles, radii = stroke.spheres[:, 0] + 1j * stroke.spheres[:, 1], stroke.spheres[:, 3]
    area = radii.mean() * (2.0 * np.abs(np.diff(middles)).sum() + np.pi * radii.mean())
    number = np.arange(int(area / (_SPACING[stroke.fur] * unit) ** 2))
    which, reach, turn = (rng.random() + np.outer(_STRIDES, number)) % 1.0
    sphere = np.searchsorted(np.cumsum(radii) / radii.sum(), which * 0.999)
    out = np.sqrt(reach) * np.exp(2j * np.pi * turn)
    roots = middles[sphere] + out * (radii[sphere] - 0.05 * unit)  # clear of the edge
    order = np.argsort(-roots.imag, kind="stable")  # lower first: fur falls over it
    roots, out = roots[order], out[order] * unit
    places = np.clip((roots.real, roots.imag), 0, picture.width - 1).astype(int).T.tolist()
    fills: list[Any] = [picture.getpixel((x, y)) for x, y in places]
    draw = ImageDraw.Draw(picture)
    for root, way, fill in zip(roots.tolist(), out.tolist(), fills, strict=True):
        chance = rng.random()
        bright = tinted(fill, 0.86 + 0.22 * chance)
        if stroke.fur == "spotted":
            _dot(draw, root, (0.04 + 0.06 * chance) * unit, stroke.spots)
        elif stroke.fur == "curly":
            _dot(draw, root + 0.06 * way + (0.02 + 0.03j) * unit, 0.085 * unit, tinted(fill, 0.74))
            _dot(draw, root + 0.06 * way, 0.075 * unit, bright)
        else:
            tip, side = root + 0.16 * way + 0.06j * unit, 0.03 * unit - 0.05j * way
            draw.polygon([(p.real, p.imag) for p in (root - side, tip, root + side)], bright)
