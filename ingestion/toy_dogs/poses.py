"""How toy dogs stand, sit and look: a breed becomes one posed dog, a list of shapes.

Called by `ingestion.toy_dogs`, which puts the dog into a scene. A dog is built in its own units:
its trunk is 1 deep, its feet stand on y = 0, y points down and it faces +x, so that a pose is plain
geometry, polygons from back to front. The proportions written into the poses are drawing, chosen by
eye, in those units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.chance import choose
from ingestion.toy_dogs.coats import Coat, choose_coat
from ingestion.toy_dogs.colours import FAR_SHADE, tinted
from ingestion.toy_dogs.fur import groomed
from ingestion.toy_dogs.geometry import Points, ellipse, limb, spline
from ingestion.toy_dogs.head import build_head
from ingestion.toy_dogs.limbs import (
    build_fore_leg,
    build_hind_leg,
    build_neck,
    build_sitting_fore_leg,
    build_tail,
)
from ingestion.toy_dogs.markings import body_marks
from ingestion.toy_dogs.shapes import Shape

_FACE_FRACTION = 0.2  # of the dogs seen from the side: those that look at the camera
_PORTRAIT_FACE_FRACTION = 0.9  # the same of the portraits


@dataclass(frozen=True)
class Dog:
    """One posed dog.

    Attributes:
        shapes: Its polygons, back to front.
        low: Top left corner of what must be in sight.
        high: Bottom right corner of what must be in sight.
        grounded: Whether its feet are to be seen, at y = 0.
    """

    shapes: tuple[Shape, ...]
    low: Points
    high: Points
    grounded: bool


def pose_dog(breed: Breed, rng: np.random.Generator) -> Dog:
    """Makes up one dog of a breed: its coat, its pose and how it holds its head.

    Args:
        breed: What the dog has in common with its kind.
        rng: Decides everything else; two equal generators give two equal dogs.

    Returns:
        The dog, in its own units, facing +x.
    """
    coat = choose_coat(breed, rng)
    pose = choose(rng, (*(_standing,) * 4, *(_sitting,) * 2, _facing, _portrait))
    shapes, in_sight = pose(breed, coat, rng)
    corners = np.concatenate([shape.outline for shape in in_sight])
    return Dog(
        shapes=tuple(groomed(shape, breed, rng) for shape in shapes),
        low=corners.min(axis=0),
        high=corners.max(axis=0),
        grounded=pose is not _portrait,
    )


# A pose gives the dog's shapes, back to front, and those of them that must be in sight.


def _standing(
    breed: Breed, coat: Coat, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape]]:
    """Builds a dog on its four legs, seen from the side."""
    half, top = breed.body / 2, -breed.legs - 1.0
    stride = rng.uniform(0.0, 0.28) * breed.legs * choose(rng, (-1.0, 1.0))
    trunk = spline(
        [(-half, top + 0.08), (0.0, top + 0.04), (half * 0.8, top), (half + 0.14, top + 0.5),
         (half * 0.7, top + 1.04), (-half * 0.3, top + 0.86), (-half * 0.85, top + 0.8),
         (-half - 0.12, top + 0.42)]
    )  # fmt: skip
    far = replace(coat, leg=tinted(coat.leg, FAR_SHADE), paw=tinted(coat.paw, FAR_SHADE))
    head_at = (half + 0.26 + breed.head * 0.4, top - breed.neck)
    shapes = [
        *build_tail(breed, coat, (-half, top + 0.22), rng.uniform(-0.35, 0.35)),
        *build_hind_leg(breed, far, rng, -half + 0.36, -stride),
        *build_fore_leg(breed, far, rng, half - 0.12, stride),
        Shape(trunk, coat.body, body_marks(breed, coat, trunk, rng), furry=True),
        *build_hind_leg(breed, coat, rng, -half + 0.2, stride),
        *build_fore_leg(breed, coat, rng, half - 0.3, -stride),
        *build_neck(breed, coat, (half - 0.14, top + 0.36), head_at),
        *build_head(breed, coat, head_at, rng, front=rng.random() < _FACE_FRACTION),
    ]
    return shapes, shapes


def _sitting(breed: Breed, coat: Coat, rng: np.random.Generator) -> tuple[list[Shape], list[Shape]]:
    """Builds a sitting dog, seen from the side."""
    shoulder = -(0.5 * breed.legs + 0.5 * breed.body + 0.42)
    lean = rng.uniform(0.2, 0.42)
    trunk = limb([(-0.3, -0.5), (0.02, shoulder * 0.6), (lean, shoulder)], (0.52, 0.5, 0.42))
    haunch = ellipse(-0.3, -0.42, 0.46, 0.4, -0.3)
    head_at = (lean + 0.2, shoulder - 0.34 - breed.neck)
    far = replace(coat, leg=tinted(coat.leg, FAR_SHADE), paw=tinted(coat.paw, FAR_SHADE))
    shapes = [
        *build_tail(breed, coat, (-0.7, -0.3), rng.uniform(-0.1, 0.4)),
        *build_sitting_fore_leg(breed, far, rng, lean + 0.24, shoulder + 0.4),
        Shape(trunk, coat.body, body_marks(breed, coat, trunk, rng), furry=True),
        *build_sitting_fore_leg(breed, coat, rng, lean + 0.06, shoulder + 0.4),
        Shape(haunch, coat.body, body_marks(breed, coat, haunch, rng), furry=True),
        Shape(ellipse(0.08, -0.08, 0.27, 0.1), coat.paw),
        *build_neck(breed, coat, (lean, shoulder + 0.1), head_at),
        *build_head(breed, coat, head_at, rng, front=rng.random() < _FACE_FRACTION),
    ]
    return shapes, shapes


def _facing(breed: Breed, coat: Coat, rng: np.random.Generator) -> tuple[list[Shape], list[Shape]]:
    """Builds a dog that sits and looks at the camera."""
    shoulder = -(0.5 * breed.legs + 0.4 * breed.body + 0.5)
    trunk = limb([(0.0, -0.42), (0.0, shoulder * 0.6), (0.0, shoulder)], (0.5, 0.5, 0.4))
    chest = ellipse(0.0, shoulder + 0.42, 0.26, 0.42)
    head_at = (rng.normal(0.0, 0.05), shoulder - 0.22 - breed.neck)
    shapes = list(build_tail(breed, coat, (-0.45, -0.3), rng.uniform(-0.1, 0.4)))
    for side in (-1.0, 1.0):
        haunch = ellipse(0.44 * side, -0.32, 0.32, 0.34)
        shapes.append(Shape(haunch, coat.body, body_marks(breed, coat, haunch, rng), furry=True))
        shapes.append(Shape(ellipse(0.56 * side, -0.07, 0.2, 0.1), coat.paw))
    shapes.append(Shape(trunk, coat.body, body_marks(breed, coat, trunk, rng), furry=True))
    if breed.pattern in ("saddle", "mask", "points"):
        shapes.append(Shape(chest, coat.muzzle, furry=breed.fur == "shaggy"))
    for side in (-1.0, 1.0):
        shapes += build_sitting_fore_leg(breed, coat, rng, 0.22 * side, shoulder + 0.5)
    shapes += [
        *build_neck(breed, coat, (0.0, shoulder + 0.08), head_at),
        *build_head(breed, coat, head_at, rng, front=True),
    ]
    return shapes, shapes


def _portrait(
    breed: Breed, coat: Coat, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape]]:
    """Builds the head and shoulders of a dog."""
    head_at = (0.0, -1.0 - breed.neck)
    front = rng.random() < _PORTRAIT_FACE_FRACTION
    trunk = limb([(-0.1 if front else -0.3, -0.4), (-0.1, 1.2)], (0.5, 0.8))
    head = build_head(breed, coat, head_at, rng, front=front)
    shapes = [
        Shape(trunk, coat.body, body_marks(breed, coat, trunk, rng), furry=True),
        *build_neck(breed, coat, (-0.1, -0.3), head_at),
        *head,
    ]
    return shapes, head
