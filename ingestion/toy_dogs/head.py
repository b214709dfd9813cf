"""The head of a toy dog, seen from the side or from the front.

It is built around a skull of radius 1 at (0, 0), facing +x or the camera; the proportions are
drawing, chosen by eye, in skull radii.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.coats import Coat
from ingestion.toy_dogs.colours import FAR_SHADE, WHITE, tinted
from ingestion.toy_dogs.geometry import ellipse, limb, spline
from ingestion.toy_dogs.markings import head_marks, muzzle_marks
from ingestion.toy_dogs.shapes import Shape, placed

_PANTING_FRACTION = 0.4  # of the dogs
_HEAD_TILT_RAD = 0.1  # standard deviation
_INK, _TONGUE, _PINK = (24, 20, 22), (222, 108, 120), (206, 158, 150)


def build_head(
    breed: Breed,
    coat: Coat,
    at: tuple[float, float],
    rng: np.random.Generator,
    *,
    front: bool,
) -> list[Shape]:
    """Builds a head, then scales, tilts and places it.

    Args:
        breed: Gives the proportions.
        coat: Gives the colours.
        at: Where the skull's middle goes, in the dog's units.
        rng: Decides the tilt, whether the dog pants, its ears and its marks.
        front: Whether the dog looks at the camera.

    Returns:
        Its shapes, back to front, in the dog's units.
    """
    shapes = (_front_head if front else _side_head)(
        breed, coat, rng, rng.random() < _PANTING_FRACTION
    )
    tilt = rng.normal(0.0, _HEAD_TILT_RAD)
    return placed(shapes, at, scale=breed.head, turn=tilt)


def _side_head(breed: Breed, coat: Coat, rng: np.random.Generator, panting: bool) -> list[Shape]:
    skull, nose_x = ellipse(0.0, 0.0, 1.0, 0.92), breed.muzzle
    snout = limb([(0.4, 0.26), (nose_x - 0.24, 0.36)], (0.54, 0.3))
    mouth = limb([(nose_x - 0.1, 0.5), (nose_x * 0.7, 0.58), (0.5, 0.5)], (0.035, 0.04, 0.03))
    ear = _ear(breed, coat, rng, -0.38, -0.55)
    marks = head_marks(breed, coat, skull, rng, front=False)
    shapes: list[Shape] = []
    if breed.ears == "pricked":
        shapes += placed([replace(s, fill=tinted(s.fill, FAR_SHADE)) for s in ear], (0.5, 0.06))
    if panting:
        shapes.append(Shape(ellipse(nose_x * 0.72, 0.78, 0.15, 0.32), _TONGUE))
    shapes += [
        Shape(skull, coat.head, marks, furry=breed.ears != "long"),
        Shape(snout, coat.muzzle, muzzle_marks(breed, coat, snout, rng)),
        Shape(mouth, _INK),
        Shape(ellipse(nose_x - 0.04, 0.2, 0.2, 0.16), _INK),
        *_eye(coat, 0.4, -0.16),
    ]
    if breed.fur == "curly":  # the topknot
        shapes.append(Shape(ellipse(-0.1, -0.82, 0.74, 0.56), coat.head, furry=True))
    return [*shapes, *ear]


def _front_head(breed: Breed, coat: Coat, rng: np.random.Generator, panting: bool) -> list[Shape]:
    skull = ellipse(0.0, 0.0, 1.0 if breed.ears == "pricked" else 0.88, 0.94)
    long = breed.muzzle - 1.0
    snout = ellipse(0.0, 0.42 + 0.14 * long, 0.6 - 0.1 * long, 0.34 + 0.24 * long)
    nose_y = 0.3 + 0.24 * long
    smile = [(-0.3, nose_y + 0.24), (0.0, nose_y + 0.32), (0.3, nose_y + 0.24)]
    # Long ears hang further out, or they would cover the eyes.
    left = _ear(breed, coat, rng, -0.8 if breed.ears == "long" else -0.62, -0.5)
    ears = [*left, *placed(left, (0.0, 0.0), mirrored=True)]
    marks = head_marks(breed, coat, skull, rng, front=True)
    face = [Shape(skull, coat.head, marks, furry=breed.ears != "long")]
    if panting:
        face.append(Shape(ellipse(0.0, nose_y + 0.58, 0.17, 0.3), _TONGUE))
    face += [
        Shape(snout, coat.muzzle, muzzle_marks(breed, coat, snout, rng)),
        Shape(limb([(0.0, nose_y), (0.0, nose_y + 0.28)], (0.03, 0.03)), _INK),
        Shape(limb(smile, (0.03, 0.03, 0.03)), _INK),
        Shape(ellipse(0.0, nose_y, 0.22, 0.16), _INK),
        *_eye(coat, -0.38, -0.16),
        *_eye(coat, 0.38, -0.16),
    ]
    if breed.fur == "curly":
        face.append(Shape(ellipse(0.0, -0.94, 0.74, 0.42), coat.head, furry=True))
    return [*ears, *face] if breed.ears == "pricked" else [*face, *ears]


def _ear(breed: Breed, coat: Coat, rng: np.random.Generator, x: float, y: float) -> list[Shape]:
    """Builds the ear on the left of a head, hanging or standing from (x, y)."""
    swing = rng.uniform(-0.12, 0.12)
    match breed.ears:
        case "pricked":
            outer = np.array([(-0.36, 0.2), (-0.2 + swing, -0.98), (0.42, -0.12)])
            inner = outer * 0.58 + np.array([0.0, -0.1])
            shapes = [Shape(outer, coat.ear, furry=True), Shape(inner, _PINK)]
        case "floppy":
            corners = [(0.1, -0.14), (-0.3, 0.0), (-0.5 + swing, 0.6), (-0.3 + swing, 0.92)]
            shapes = [Shape(spline([*corners, (0.0, 0.6)]), coat.ear, furry=True)]
        case "long":
            corners = [(0.1, -0.1), (-0.28, 0.0), (-0.52 + swing, 1.0), (-0.28 + swing, 1.62)]
            corners += [(0.04 + swing, 1.3), (0.1, 0.5)]
            shapes = [Shape(spline(corners), coat.ear, furry=True)]
    return placed(shapes, (x, y))


def _eye(coat: Coat, x: float, y: float) -> list[Shape]:
    return [
        Shape(ellipse(x, y, 0.17, 0.18), _INK),
        Shape(ellipse(x, y, 0.13, 0.14), coat.eye),
        Shape(ellipse(x, y, 0.07, 0.08), _INK),
        Shape(ellipse(x + 0.05, y - 0.06, 0.045, 0.045), WHITE),
    ]
