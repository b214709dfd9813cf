"""Legs, neck and tail of a toy dog, in its own units (see `ingestion.toy_dogs.poses`).

The proportions are drawing, chosen by eye.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.coats import Coat
from ingestion.toy_dogs.geometry import Bones, ellipse, limb
from ingestion.toy_dogs.markings import leg_marks
from ingestion.toy_dogs.shapes import Shape, placed


def build_fore_leg(
    breed: Breed, coat: Coat, rng: np.random.Generator, x: float, stride: float
) -> list[Shape]:
    """Builds a fore leg of a standing dog.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        rng: Decides where exactly the marks are.
        x: Where the leg leaves the trunk.
        stride: How far forward the paw is set; negative is backwards.

    Returns:
        Its shapes, back to front.
    """
    height = breed.legs
    bones = [(x, -height - 0.42), (x, -height * 0.5), (x + stride, -0.08)]
    return _leg(breed, coat, rng, bones, (0.2, 0.13, 0.115))


def build_hind_leg(
    breed: Breed, coat: Coat, rng: np.random.Generator, x: float, stride: float
) -> list[Shape]:
    """Builds a hind leg of a standing dog.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        rng: Decides where exactly the marks are.
        x: Where the leg leaves the trunk.
        stride: How far forward the paw is set; negative is backwards.

    Returns:
        Its shapes, back to front.
    """
    height = breed.legs
    knee, hock = (x + 0.1, -height * 0.85), (x - 0.14 + stride * 0.6, -height * 0.42)
    bones = [(x, -height - 0.45), knee, hock, (x - 0.06 + stride, -0.08)]
    return _leg(breed, coat, rng, bones, (0.36, 0.25, 0.12, 0.115))


def build_sitting_fore_leg(
    breed: Breed, coat: Coat, rng: np.random.Generator, x: float, top: float
) -> list[Shape]:
    """Builds a fore leg of a sitting dog.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        rng: Decides where exactly the marks are.
        x: Where the leg stands, upright.
        top: Where it leaves the trunk, downwards.

    Returns:
        Its shapes, back to front.
    """
    return _leg(breed, coat, rng, [(x, top), (x, top * 0.5), (x, -0.08)], (0.19, 0.14, 0.12))


def _leg(
    breed: Breed, coat: Coat, rng: np.random.Generator, bones: Bones, widths: Sequence[float]
) -> list[Shape]:
    """Builds a leg along its bones, from the hip to the paw."""
    outline = limb(bones, [width * breed.bulk for width in widths])
    foot = bones[-1]
    marks = leg_marks(breed, coat, outline, rng)
    shapes = [Shape(outline, coat.leg, marks, furry=breed.fur != "curly")]
    if breed.tail == "pompon":  # a poodle's clip: bare shins with a ball of curls above each paw
        shapes.append(Shape(ellipse(foot[0], -0.26, 0.25, 0.22), coat.leg, furry=True))
    paw = ellipse(foot[0] + 0.07, -0.075, 0.17 * breed.bulk, 0.095)
    return [*shapes, Shape(paw, coat.paw)]


def build_neck(
    breed: Breed, coat: Coat, base: tuple[float, float], head_at: tuple[float, float]
) -> list[Shape]:
    """Builds a neck, with a collar on it if the dog has one.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        base: Where it leaves the trunk.
        head_at: The skull's middle.

    Returns:
        Its shapes, back to front.
    """
    thick = 0.33 * breed.bulk
    outline = limb([base, head_at], (thick * 1.25, min(thick, breed.head * 0.75)))
    fill = coat.light if breed.pattern == "patches" else coat.body
    shapes = [Shape(outline, fill, furry=True)]
    if coat.collar is not None:
        start, end = np.array(base), np.array(head_at)
        middle, along = start + (end - start) * 0.42, (end - start) / np.hypot(*(end - start))
        across = np.array([-along[1], along[0]]) * thick * 1.06
        band = limb([tuple(middle - across), tuple(middle + across)], (0.07, 0.07))
        shapes.append(Shape(band, coat.collar))
    return shapes


def build_tail(breed: Breed, coat: Coat, base: tuple[float, float], lift: float) -> list[Shape]:
    """Builds a tail.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        base: Where it leaves the trunk.
        lift: How far it is turned, in radians, clockwise as seen.

    Returns:
        Its shapes, back to front.
    """
    widths: tuple[float, ...]  # in tenths of the trunk
    bones: Bones
    match breed.tail:
        case "sabre":
            bones, widths = ((0.1, 0.0), (-0.3, -0.3), (-0.42, -0.85)), (1.2, 1.0, 0.7)
        case "pompon":
            bones, widths = ((0.1, 0.0), (-0.16, -0.3), (-0.24, -0.62)), (1.0, 0.8, 0.8)
        case "feather":
            bones, widths = ((0.1, 0.0), (-0.35, -0.06), (-0.75, -0.02)), (1.0, 2.1, 1.0)
        case "curl":
            bones = ((0.05, 0.1), (-0.3, -0.3), (-0.1, -0.72), (0.32, -0.62), (0.3, -0.32))
            widths = (1.6, 2.1, 2.1, 2.0, 1.0)
        case "whip":
            bones, widths = ((0.1, 0.0), (-0.5, -0.12), (-1.0, -0.32)), (1.0, 0.7, 0.35)
    outline = limb(bones, [width * 0.1 * breed.bulk for width in widths])
    tip = bones[-1]
    marks = ((ellipse(*tip, 0.24, 0.26), coat.tip),)
    shapes = [Shape(outline, coat.tail, marks, furry=breed.tail in ("feather", "curl"))]
    if breed.tail == "pompon":
        shapes.append(Shape(ellipse(*tip, 0.27, 0.26), coat.tail, furry=True))
    return placed(shapes, base, turn=lift)
