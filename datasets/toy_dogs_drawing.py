"""Toy dogs as polygons: what a breed is, how its dogs stand and sit, and how they are painted.

Called by `datasets.toy_dogs`, which puts the dog into a scene. A dog is built in its own units: its
trunk is 1 deep, its feet stand on y = 0, y points down and it faces +x, so that a pose is plain
geometry, a list of polygons from back to front. The proportions written into the builders below
are drawing, chosen by eye, in those units; inside `_head` and what it calls, in skull radii.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points: TypeAlias = NDArray[np.float64]  # (num_points, 2): x to the right, y down
Colour: TypeAlias = tuple[int, int, int]
_Marks: TypeAlias = tuple[tuple[Points, Colour], ...]
_Bones: TypeAlias = Sequence[tuple[float, float]]
_Choice = TypeVar("_Choice")

WHITE, CREAM, TAN, RED = (240, 236, 228), (226, 205, 168), (200, 150, 94), (160, 88, 44)
BROWN, GREY, BLACK = (98, 62, 42), (136, 136, 140), (46, 43, 46)

_COAT_SPREAD, _WHITE_SPREAD = 9.0, 6.0  # of 255: how much dogs of one colour differ
_COLLAR_FRACTION, _PANTING_FRACTION, _BLUE_EYES_FRACTION = 0.5, 0.4, 0.7  # of the dogs
_FACE_FRACTION = 0.2  # of the dogs seen from the side: those that look at the camera
_PORTRAIT_FACE_FRACTION = 0.9  # the same of the portraits
_HEAD_TILT_RAD = 0.1  # standard deviation
_FAR_SHADE = 0.72  # brightness of the legs and the ear on the far side
_FUR_STEP = 0.03  # between two corners of a furry outline
_SCALLOP, _CURL_STEP, _TUFT = 0.07, 0.17, 0.1  # depth of a scallop, pitch of curls, depth of a tuft
_TINY = 1e-9  # keeps a direction finite where two corners coincide
_DOT_POINTS = 10  # corners of a spot or curl, of which a dog has hundreds
_INK, _TONGUE, _PINK = (24, 20, 22), (222, 108, 120), (206, 158, 150)
_EYES: tuple[Colour, ...] = ((52, 30, 18), (28, 22, 20), (86, 52, 22))
_BLUE_EYES: Colour = (112, 170, 214)
COLLARS: tuple[Colour, ...] = (
    (200, 44, 48), (40, 96, 190), (48, 150, 84), (232, 186, 50), (130, 66, 160), (30, 30, 34),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Breed:
    """What every dog of one breed has in common.

    Lengths are multiples of the depth of the trunk, unless said otherwise.

    Attributes:
        name: The breed's name as it stands in the archive.
        coats: The breed's colours, (main, second): one pair is chosen per dog.
        pattern: How the colours lie on the dog.
        fur: What the outline and the surface look like.
        ears: Shape of the ears.
        tail: Shape of the tail.
        body: Length of the trunk, from rump to chest.
        legs: Height of the trunk above the ground.
        neck: Height of the head's middle above the back.
        head: Radius of the skull.
        muzzle: From the skull's middle to the nose, in skull radii.
        bulk: Thickness of the legs, neck and tail; 1 is an ordinary dog's.
    """

    name: str
    coats: tuple[tuple[Colour, Colour], ...]
    pattern: Literal["saddle", "plain", "patches", "mask", "points", "spots"]
    fur: Literal["smooth", "curly", "shaggy"]
    ears: Literal["floppy", "long", "pricked"]
    tail: Literal["sabre", "pompon", "feather", "curl", "whip"]
    body: float
    legs: float
    neck: float
    head: float
    muzzle: float
    bulk: float


@dataclass(frozen=True)
class _Coat:
    """The colours of one dog, part by part."""

    body: Colour
    mark: Colour
    light: Colour
    head: Colour
    muzzle: Colour
    ear: Colour
    leg: Colour
    paw: Colour
    tail: Colour
    tip: Colour
    eye: Colour
    collar: Colour | None


@dataclass(frozen=True)
class Shape:
    """One filled polygon of a dog.

    Attributes:
        outline: Its corners.
        fill: Its colour.
        marks: Polygons and their colours, painted inside the outline only.
        furry: Whether it gets the breed's fur.
    """

    outline: Points
    fill: Colour
    marks: _Marks = ()
    furry: bool = False


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
    coat = _coat(breed, rng)
    pose = choose(rng, (*(_standing,) * 4, *(_sitting,) * 2, _facing, _portrait))
    shapes, in_sight = pose(breed, coat, rng)
    corners = np.concatenate([shape.outline for shape in in_sight])
    return Dog(
        shapes=tuple(_groomed(shape, breed, rng) for shape in shapes),
        low=corners.min(axis=0),
        high=corners.max(axis=0),
        grounded=pose is not _portrait,
    )


def _coat(breed: Breed, rng: np.random.Generator) -> _Coat:
    """Chooses one dog's colours within its breed."""
    main, second = (varied(colour, rng, _COAT_SPREAD) for colour in choose(rng, breed.coats))
    light = varied(WHITE, rng, _WHITE_SPREAD)
    eye = choose(rng, _EYES)
    collar = choose(rng, COLLARS) if rng.random() < _COLLAR_FRACTION else None
    plain = _Coat(
        body=main, mark=second, light=light, head=main, muzzle=main, ear=main, leg=main, paw=main,
        tail=main, tip=main, eye=eye, collar=collar,
    )  # fmt: skip
    match breed.pattern:
        case "saddle":
            return replace(plain, muzzle=light, paw=light, tip=light, ear=tinted(main, 0.8))
        case "patches":
            on_white = replace(plain, body=light, mark=main, leg=light, paw=light)
            return replace(on_white, muzzle=light, ear=tinted(main, 0.85))
        case "mask":
            eye = _BLUE_EYES if rng.random() < _BLUE_EYES_FRACTION else eye
            return replace(plain, muzzle=light, leg=light, paw=light, tip=light, eye=eye)
        case "points":
            return replace(plain, muzzle=second, paw=second, ear=tinted(main, 0.8))
        case "spots":
            return replace(plain, ear=choose(rng, (main, second)))
        case "plain":
            return plain


# A pose gives the dog's shapes, back to front, and those of them that must be in sight.


def _standing(
    breed: Breed, coat: _Coat, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape]]:
    """Builds a dog on its four legs, seen from the side."""
    half, top = breed.body / 2, -breed.legs - 1.0
    stride = rng.uniform(0.0, 0.28) * breed.legs * choose(rng, (-1.0, 1.0))
    trunk = _spline(
        [(-half, top + 0.08), (0.0, top + 0.04), (half * 0.8, top), (half + 0.14, top + 0.5),
         (half * 0.7, top + 1.04), (-half * 0.3, top + 0.86), (-half * 0.85, top + 0.8),
         (-half - 0.12, top + 0.42)]
    )  # fmt: skip
    far = replace(coat, leg=tinted(coat.leg, _FAR_SHADE), paw=tinted(coat.paw, _FAR_SHADE))
    head_at = (half + 0.26 + breed.head * 0.4, top - breed.neck)
    shapes = [
        *_tail(breed, coat, (-half, top + 0.22), rng.uniform(-0.35, 0.35)),
        *_hind_leg(breed, far, rng, -half + 0.36, -stride),
        *_fore_leg(breed, far, rng, half - 0.12, stride),
        Shape(trunk, coat.body, _body_marks(breed, coat, trunk, rng), furry=True),
        *_hind_leg(breed, coat, rng, -half + 0.2, stride),
        *_fore_leg(breed, coat, rng, half - 0.3, -stride),
        *_neck(breed, coat, (half - 0.14, top + 0.36), head_at),
        *_head(breed, coat, head_at, rng, front=rng.random() < _FACE_FRACTION),
    ]
    return shapes, shapes


def _sitting(
    breed: Breed, coat: _Coat, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape]]:
    """Builds a sitting dog, seen from the side."""
    shoulder = -(0.5 * breed.legs + 0.5 * breed.body + 0.42)
    lean = rng.uniform(0.2, 0.42)
    trunk = _limb([(-0.3, -0.5), (0.02, shoulder * 0.6), (lean, shoulder)], (0.52, 0.5, 0.42))
    haunch = ellipse(-0.3, -0.42, 0.46, 0.4, -0.3)
    head_at = (lean + 0.2, shoulder - 0.34 - breed.neck)
    far = replace(coat, leg=tinted(coat.leg, _FAR_SHADE), paw=tinted(coat.paw, _FAR_SHADE))
    shapes = [
        *_tail(breed, coat, (-0.7, -0.3), rng.uniform(-0.1, 0.4)),
        *_sitting_fore_leg(breed, far, rng, lean + 0.24, shoulder + 0.4),
        Shape(trunk, coat.body, _body_marks(breed, coat, trunk, rng), furry=True),
        *_sitting_fore_leg(breed, coat, rng, lean + 0.06, shoulder + 0.4),
        Shape(haunch, coat.body, _body_marks(breed, coat, haunch, rng), furry=True),
        Shape(ellipse(0.08, -0.08, 0.27, 0.1), coat.paw),
        *_neck(breed, coat, (lean, shoulder + 0.1), head_at),
        *_head(breed, coat, head_at, rng, front=rng.random() < _FACE_FRACTION),
    ]
    return shapes, shapes


def _facing(breed: Breed, coat: _Coat, rng: np.random.Generator) -> tuple[list[Shape], list[Shape]]:
    """Builds a dog that sits and looks at the camera."""
    shoulder = -(0.5 * breed.legs + 0.4 * breed.body + 0.5)
    trunk = _limb([(0.0, -0.42), (0.0, shoulder * 0.6), (0.0, shoulder)], (0.5, 0.5, 0.4))
    chest = ellipse(0.0, shoulder + 0.42, 0.26, 0.42)
    head_at = (rng.normal(0.0, 0.05), shoulder - 0.22 - breed.neck)
    shapes = list(_tail(breed, coat, (-0.45, -0.3), rng.uniform(-0.1, 0.4)))
    for side in (-1.0, 1.0):
        haunch = ellipse(0.44 * side, -0.32, 0.32, 0.34)
        shapes.append(Shape(haunch, coat.body, _body_marks(breed, coat, haunch, rng), furry=True))
        shapes.append(Shape(ellipse(0.56 * side, -0.07, 0.2, 0.1), coat.paw))
    shapes.append(Shape(trunk, coat.body, _body_marks(breed, coat, trunk, rng), furry=True))
    if breed.pattern in ("saddle", "mask", "points"):
        shapes.append(Shape(chest, coat.muzzle, furry=breed.fur == "shaggy"))
    for side in (-1.0, 1.0):
        shapes += _sitting_fore_leg(breed, coat, rng, 0.22 * side, shoulder + 0.5)
    shapes += [
        *_neck(breed, coat, (0.0, shoulder + 0.08), head_at),
        *_head(breed, coat, head_at, rng, front=True),
    ]
    return shapes, shapes


def _portrait(
    breed: Breed, coat: _Coat, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape]]:
    """Builds the head and shoulders of a dog."""
    head_at = (0.0, -1.0 - breed.neck)
    front = rng.random() < _PORTRAIT_FACE_FRACTION
    trunk = _limb([(-0.1 if front else -0.3, -0.4), (-0.1, 1.2)], (0.5, 0.8))
    head = _head(breed, coat, head_at, rng, front=front)
    shapes = [
        Shape(trunk, coat.body, _body_marks(breed, coat, trunk, rng), furry=True),
        *_neck(breed, coat, (-0.1, -0.3), head_at),
        *head,
    ]
    return shapes, head


def _fore_leg(
    breed: Breed, coat: _Coat, rng: np.random.Generator, x: float, stride: float
) -> list[Shape]:
    height = breed.legs
    bones = [(x, -height - 0.42), (x, -height * 0.5), (x + stride, -0.08)]
    return _leg(breed, coat, rng, bones, (0.2, 0.13, 0.115))


def _hind_leg(
    breed: Breed, coat: _Coat, rng: np.random.Generator, x: float, stride: float
) -> list[Shape]:
    height = breed.legs
    knee, hock = (x + 0.1, -height * 0.85), (x - 0.14 + stride * 0.6, -height * 0.42)
    bones = [(x, -height - 0.45), knee, hock, (x - 0.06 + stride, -0.08)]
    return _leg(breed, coat, rng, bones, (0.36, 0.25, 0.12, 0.115))


def _sitting_fore_leg(
    breed: Breed, coat: _Coat, rng: np.random.Generator, x: float, top: float
) -> list[Shape]:
    return _leg(breed, coat, rng, [(x, top), (x, top * 0.5), (x, -0.08)], (0.19, 0.14, 0.12))


def _leg(
    breed: Breed, coat: _Coat, rng: np.random.Generator, bones: _Bones, widths: Sequence[float]
) -> list[Shape]:
    """Builds a leg along its bones, from the hip to the paw."""
    outline = _limb(bones, [width * breed.bulk for width in widths])
    foot = bones[-1]
    if breed.pattern == "spots":
        marks = _spots(coat, outline, rng, 0.07)
    else:
        marks = ((_patch(outline, 0.5, 1.0, 1.0, 0.36), coat.paw),)
    shapes = [Shape(outline, coat.leg, marks, furry=breed.fur != "curly")]
    if breed.tail == "pompon":  # a poodle's clip: bare shins with a ball of curls above each paw
        shapes.append(Shape(ellipse(foot[0], -0.26, 0.25, 0.22), coat.leg, furry=True))
    paw = ellipse(foot[0] + 0.07, -0.075, 0.17 * breed.bulk, 0.095)
    return [*shapes, Shape(paw, coat.paw)]


def _neck(
    breed: Breed, coat: _Coat, base: tuple[float, float], head_at: tuple[float, float]
) -> list[Shape]:
    thick = 0.33 * breed.bulk
    outline = _limb([base, head_at], (thick * 1.25, min(thick, breed.head * 0.75)))
    fill = coat.light if breed.pattern == "patches" else coat.body
    shapes = [Shape(outline, fill, furry=True)]
    if coat.collar is not None:
        start, end = np.array(base), np.array(head_at)
        middle, along = start + (end - start) * 0.42, (end - start) / np.hypot(*(end - start))
        across = np.array([-along[1], along[0]]) * thick * 1.06
        band = _limb([tuple(middle - across), tuple(middle + across)], (0.07, 0.07))
        shapes.append(Shape(band, coat.collar))
    return shapes


def _tail(breed: Breed, coat: _Coat, base: tuple[float, float], lift: float) -> list[Shape]:
    """Builds a tail that leaves the dog at `base`; `lift` turns it, in radians."""
    widths: tuple[float, ...]  # in tenths of the trunk
    bones: _Bones
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
    outline = _limb(bones, [width * 0.1 * breed.bulk for width in widths])
    tip = bones[-1]
    marks = ((ellipse(*tip, 0.24, 0.26), coat.tip),)
    shapes = [Shape(outline, coat.tail, marks, furry=breed.tail in ("feather", "curl"))]
    if breed.tail == "pompon":
        shapes.append(Shape(ellipse(*tip, 0.27, 0.26), coat.tail, furry=True))
    return placed(shapes, base, turn=lift)


def _head(
    breed: Breed,
    coat: _Coat,
    at: tuple[float, float],
    rng: np.random.Generator,
    *,
    front: bool,
) -> list[Shape]:
    """Builds a head around a skull of radius 1, then scales, tilts and places it."""
    shapes = (_front_head if front else _side_head)(
        breed, coat, rng, rng.random() < _PANTING_FRACTION
    )
    tilt = rng.normal(0.0, _HEAD_TILT_RAD)
    return placed(shapes, at, scale=breed.head, turn=tilt)


def _side_head(breed: Breed, coat: _Coat, rng: np.random.Generator, panting: bool) -> list[Shape]:
    skull, nose_x = ellipse(0.0, 0.0, 1.0, 0.92), breed.muzzle
    snout = _limb([(0.4, 0.26), (nose_x - 0.24, 0.36)], (0.54, 0.3))
    mouth = _limb([(nose_x - 0.1, 0.5), (nose_x * 0.7, 0.58), (0.5, 0.5)], (0.035, 0.04, 0.03))
    ear = _ear(breed, coat, rng, -0.38, -0.55)
    marks = _head_marks(breed, coat, skull, rng, front=False)
    shapes: list[Shape] = []
    if breed.ears == "pricked":
        shapes += placed([replace(s, fill=tinted(s.fill, _FAR_SHADE)) for s in ear], (0.5, 0.06))
    if panting:
        shapes.append(Shape(ellipse(nose_x * 0.72, 0.78, 0.15, 0.32), _TONGUE))
    shapes += [
        Shape(skull, coat.head, marks, furry=breed.ears != "long"),
        Shape(snout, coat.muzzle, _freckles(breed, coat, snout, rng)),
        Shape(mouth, _INK),
        Shape(ellipse(nose_x - 0.04, 0.2, 0.2, 0.16), _INK),
        *_eye(coat, 0.4, -0.16),
    ]
    if breed.fur == "curly":  # the topknot
        shapes.append(Shape(ellipse(-0.1, -0.82, 0.74, 0.56), coat.head, furry=True))
    return [*shapes, *ear]


def _front_head(breed: Breed, coat: _Coat, rng: np.random.Generator, panting: bool) -> list[Shape]:
    skull = ellipse(0.0, 0.0, 1.0 if breed.ears == "pricked" else 0.88, 0.94)
    long = breed.muzzle - 1.0
    snout = ellipse(0.0, 0.42 + 0.14 * long, 0.6 - 0.1 * long, 0.34 + 0.24 * long)
    nose_y = 0.3 + 0.24 * long
    smile = [(-0.3, nose_y + 0.24), (0.0, nose_y + 0.32), (0.3, nose_y + 0.24)]
    # Long ears hang further out, or they would cover the eyes.
    left = _ear(breed, coat, rng, -0.8 if breed.ears == "long" else -0.62, -0.5)
    ears = [*left, *placed(left, (0.0, 0.0), mirrored=True)]
    marks = _head_marks(breed, coat, skull, rng, front=True)
    face = [Shape(skull, coat.head, marks, furry=breed.ears != "long")]
    if panting:
        face.append(Shape(ellipse(0.0, nose_y + 0.58, 0.17, 0.3), _TONGUE))
    face += [
        Shape(snout, coat.muzzle, _freckles(breed, coat, snout, rng)),
        Shape(_limb([(0.0, nose_y), (0.0, nose_y + 0.28)], (0.03, 0.03)), _INK),
        Shape(_limb(smile, (0.03, 0.03, 0.03)), _INK),
        Shape(ellipse(0.0, nose_y, 0.22, 0.16), _INK),
        *_eye(coat, -0.38, -0.16),
        *_eye(coat, 0.38, -0.16),
    ]
    if breed.fur == "curly":
        face.append(Shape(ellipse(0.0, -0.94, 0.74, 0.42), coat.head, furry=True))
    return [*ears, *face] if breed.ears == "pricked" else [*face, *ears]


def _ear(breed: Breed, coat: _Coat, rng: np.random.Generator, x: float, y: float) -> list[Shape]:
    """Builds the ear on the left of a head, hanging or standing from (x, y)."""
    swing = rng.uniform(-0.12, 0.12)
    match breed.ears:
        case "pricked":
            outer = np.array([(-0.36, 0.2), (-0.2 + swing, -0.98), (0.42, -0.12)])
            inner = outer * 0.58 + np.array([0.0, -0.1])
            shapes = [Shape(outer, coat.ear, furry=True), Shape(inner, _PINK)]
        case "floppy":
            corners = [(0.1, -0.14), (-0.3, 0.0), (-0.5 + swing, 0.6), (-0.3 + swing, 0.92)]
            shapes = [Shape(_spline([*corners, (0.0, 0.6)]), coat.ear, furry=True)]
        case "long":
            corners = [(0.1, -0.1), (-0.28, 0.0), (-0.52 + swing, 1.0), (-0.28 + swing, 1.62)]
            corners += [(0.04 + swing, 1.3), (0.1, 0.5)]
            shapes = [Shape(_spline(corners), coat.ear, furry=True)]
    return placed(shapes, (x, y))


def _eye(coat: _Coat, x: float, y: float) -> list[Shape]:
    return [
        Shape(ellipse(x, y, 0.17, 0.18), _INK),
        Shape(ellipse(x, y, 0.13, 0.14), coat.eye),
        Shape(ellipse(x, y, 0.07, 0.08), _INK),
        Shape(ellipse(x + 0.05, y - 0.06, 0.045, 0.045), WHITE),
    ]


def _body_marks(breed: Breed, coat: _Coat, outline: Points, rng: np.random.Generator) -> _Marks:
    """Marks the trunk."""
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


def _head_marks(
    breed: Breed, coat: _Coat, outline: Points, rng: np.random.Generator, *, front: bool
) -> _Marks:
    """Marks the skull."""
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


def _freckles(breed: Breed, coat: _Coat, outline: Points, rng: np.random.Generator) -> _Marks:
    """Marks a speckled dog's muzzle with small dots."""
    return _spots(coat, outline, rng, 0.05) if breed.pattern in ("spots", "patches") else ()


def _spots(coat: _Coat, outline: Points, rng: np.random.Generator, radius: float) -> _Marks:
    """Scatters spots on a loose grid, so that they neither clump nor leave a side bare."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    step = radius * 3.3
    spots = []
    for y in np.arange(low[1], high[1] + step, step):
        for x in np.arange(low[0], high[0] + step, step):
            at = np.array([x, y]) + rng.uniform(-0.36, 0.36, 2) * step
            rx, ry = rng.uniform(0.6, 1.25, 2) * radius
            spots.append((ellipse(at[0], at[1], rx, ry, num_points=_DOT_POINTS), coat.mark))
    return tuple(spots)


def _groomed(shape: Shape, breed: Breed, rng: np.random.Generator) -> Shape:
    """Gives a shape its breed's fur: scallops and curls, or tufts; smooth ones stay as they are."""
    if not shape.furry or breed.fur == "smooth":
        return shape
    outline = _resampled(shape.outline, _FUR_STEP)
    steps = np.arange(len(outline))
    edge = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    outward = normal / (np.hypot(*normal.T)[:, None] + _TINY) * np.sign(_area(outline))
    if breed.fur == "curly":
        waves = _SCALLOP * np.abs(np.sin(steps * np.pi / 6))  # a scallop every 6 corners
        marks = shape.marks + _curls(outline, shape.fill, rng)
        return replace(shape, outline=outline + outward * waves[:, None], marks=marks)
    teeth = (steps % 5) / 5 * rng.uniform(0.6, 1.2, len(steps))  # a tuft every 5 corners
    return replace(shape, outline=outline + outward * _TUFT * teeth[:, None])


def _curls(outline: Points, fill: Colour, rng: np.random.Generator) -> _Marks:
    """Covers a shape with curls, each a bright disc over a dark one."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    curls = []
    for row in np.arange(low[1], high[1], _CURL_STEP):
        for column in np.arange(low[0], high[0], _CURL_STEP):
            x, y = np.array([column, row]) + rng.uniform(-0.05, 0.05, 2)
            dark, bright = rng.uniform(0.72, 0.9), rng.uniform(0.97, 1.1)
            below = ellipse(x + 0.02, y + 0.02, 0.085, 0.085, num_points=_DOT_POINTS)
            above = ellipse(x, y, 0.07, 0.07, num_points=_DOT_POINTS)
            curls += [(below, tinted(fill, dark)), (above, tinted(fill, bright))]
    return tuple(curls)


def paint(picture: Image.Image, shape: Shape, edge_px: int) -> None:
    """Fills a shape, its marks clipped to it, and draws its edge a little darker."""
    if shape.marks:
        mask = Image.new("L", picture.size, 0)
        polygon(ImageDraw.Draw(mask), shape.outline, 255)
        inside = Image.new("RGB", picture.size, shape.fill)
        draw = ImageDraw.Draw(inside)
        for outline, fill in shape.marks:
            polygon(draw, outline, fill)
        picture.paste(inside, mask=mask)
    else:
        polygon(ImageDraw.Draw(picture), shape.outline, shape.fill)
    edge = [tuple(point) for point in np.concatenate([shape.outline, shape.outline[:1]])]
    ImageDraw.Draw(picture).line(edge, fill=tinted(shape.fill, 0.66), width=edge_px)


def polygon(draw: ImageDraw.ImageDraw, outline: Points, fill: Colour | int) -> None:
    """Fills a polygon; an int is a grey level."""
    draw.polygon(outline.ravel().tolist(), fill=fill)


def placed(
    shapes: Sequence[Shape],
    at: Points | tuple[float, float],
    *,
    scale: float = 1.0,
    turn: float = 0.0,
    mirrored: bool = False,
    pivot: Points | tuple[float, float] = (0.0, 0.0),
) -> list[Shape]:
    """Moves shapes with their marks.

    Args:
        shapes: What to move.
        at: Where the pivot goes.
        scale: How much larger they become, around the pivot.
        turn: How far they are turned around the pivot, in radians, clockwise as seen.
        mirrored: Whether left and right are then swapped.
        pivot: The point of the shapes that stays what it is.

    Returns:
        The shapes in their new place.
    """
    cos, sin, side = np.cos(turn), np.sin(turn), -1.0 if mirrored else 1.0
    # Transposed, because points are rows.
    matrix = np.array([[side * cos, sin], [-side * sin, cos]]) * scale
    offset = np.array(at) - np.array(pivot) @ matrix
    return [
        replace(
            shape,
            outline=shape.outline @ matrix + offset,
            marks=tuple((outline @ matrix + offset, fill) for outline, fill in shape.marks),
        )
        for shape in shapes
    ]


def ellipse(
    x: float, y: float, rx: float, ry: float, angle: float = 0.0, num_points: int = 20
) -> Points:
    """Gives an ellipse; `angle`, in radians, is where on the circle its first corner lies."""
    return _circle(num_points, angle) * (rx, ry) + (x, y)


@functools.cache
def _circle(num_points: int, angle: float) -> Points:
    """Gives corners on the unit circle; the same few are asked for thousands of times."""
    turns = np.linspace(0.0, 2.0 * np.pi, num_points, endpoint=False) + angle
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def _patch(outline: Points, u: float, v: float, ru: float, rv: float) -> Points:
    """Gives an ellipse within a shape's bounding box, in fractions of that box."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    x, y = low + (high - low) * (u, v)
    return ellipse(x, y, ru * (high - low)[0], rv * (high - low)[1])


def _spline(corners: _Bones, *, closed: bool = True) -> Points:
    """Draws a smooth (Catmull-Rom) curve through the corners."""
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


def _limb(bones: _Bones, widths: Sequence[float]) -> Points:
    """Outlines a rounded limb around a curve; `widths` are its half-widths at the bones."""
    spine = _spline(bones, closed=False)
    half = np.interp(np.linspace(0, len(bones) - 1, len(spine)), range(len(bones)), widths)
    along = np.gradient(spine, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None] + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    turn = np.linspace(0.0, np.pi, 8)[1:-1, None]
    end = spine[-1] + half[-1] * (across[-1] * np.cos(turn) + along[-1] * np.sin(turn))
    start = spine[0] - half[0] * (across[0] * np.cos(turn) + along[0] * np.sin(turn))
    left, right = spine + across * half[:, None], spine - across * half[:, None]
    return np.concatenate([left, end, right[::-1], start])


def _resampled(outline: Points, step: float) -> Points:
    """Puts the corners of a polygon `step` apart, so that fur is even all around."""
    ring = np.concatenate([outline, outline[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    at = np.arange(0.0, lengths[-1], step)
    return np.stack([np.interp(at, lengths, ring[:, axis]) for axis in (0, 1)], axis=1)


def _area(outline: Points) -> float:
    """Gives the signed area: positive where the corners run clockwise as seen."""
    x, y = outline.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def tinted(colour: Colour, factor: float) -> Colour:
    """Gives the colour with its brightness multiplied."""
    red, green, blue = (int(min(255.0, channel * factor)) for channel in colour)
    return red, green, blue


def varied(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """Gives the colour with its brightness off by about `spread` of 255, its hue by less."""
    shift = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    red, green, blue = (int(value) for value in np.clip(np.array(colour) + shift, 0, 255))
    return red, green, blue


def choose(rng: np.random.Generator, options: Sequence[_Choice]) -> _Choice:
    """Picks one of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]
