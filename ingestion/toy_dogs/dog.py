"""Builds one posed dog of a breed, as a list of strokes.

A dog faces +x until it is turned to the viewer: its trunk is 1 deep, its feet stand on y = 0, its
hip is above x = 0. The numbers were chosen by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from ingestion.toy_dogs.breeds import WHITE, Breed, Knots
from ingestion.toy_dogs.drawing import Colour, Floats, Stroke, curve, tinted, turned

COLLARS = ((200, 44, 48), (40, 96, 190), (48, 150, 84), (232, 186, 50), (130, 66, 160))
_INK, _TONGUE, _PINK = (24, 20, 22), (222, 108, 120), (206, 158, 150)

_Coat: TypeAlias = dict[str, Colour]
_Choice = TypeVar("_Choice")


def choose(rng: np.random.Generator, options: Sequence[_Choice]) -> _Choice:
    """Picks one of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def varied(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """Returns the colour with its brightness changed by about `spread` of 255, its hue by less."""
    shift = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    return tuple(int(value) for value in np.clip(np.array(colour) + shift, 0, 255))


def pose_dog(breed: Breed, rng: np.random.Generator) -> tuple[list[Stroke], Floats]:
    """Draws coat, pose and view of one dog of a breed; deterministic for a generator state.

    Returns its strokes, back to front, with the ground at y = 0, and the top left and bottom right
    corners, of shape (2, 2), of what must be visible.
    """
    main, mark, light = (varied(colour, rng, 9.0) for colour in choose(rng, breed.coats))
    parts = ("body", "head", "ear", "muzzle", "paw", "tail", "tip")
    coat = {part: light if part in breed.light else main for part in parts}
    coat |= {"mark": mark, "light": light, "eye": choose(rng, breed.eyes)}
    portrait = rng.random() < 0.14
    sitting = portrait or rng.random() < 0.4
    front = np.pi / 2  # yaw that faces the camera
    yaw = rng.uniform(-0.1, front if sitting else 0.5)
    look = max(-0.1, rng.normal(front if portrait or rng.random() < 0.3 else yaw, 0.2))
    if rng.random() < 0.5:  # it faces left
        yaw, look = np.pi - yaw, np.pi - look

    body = turned(_body(breed, coat, rng, sitting), yaw, 0, 1, (0, 0, 0))
    throat = body[-1].spheres[-1, :3]
    body.sort(key=lambda stroke: stroke.depth)
    head = turned(_head(breed, coat, rng), look, 0, 1, (0, 0, 0))
    head.sort(key=lambda stroke: stroke.depth)
    head = turned(head, 0, rng.normal(0.0, 0.1), 0.5, throat)
    spheres = np.concatenate([stroke.spheres for stroke in (head if portrait else body + head)])
    middles, radii = spheres[:, :2], spheres[:, 3:]
    return body + head, np.array([(middles - radii).min(axis=0), (middles + radii).max(axis=0)])


def _body(breed: Breed, coat: _Coat, rng: np.random.Generator, sitting: bool) -> list[Stroke]:
    """Builds everything but the head. The neck comes last and ends where the head belongs."""
    length, legs, fur, spots = breed.body, breed.legs, breed.fur, coat["mark"]
    pitch = float(np.clip(legs / length, 0.7, 1.1)) if sitting else 0.0
    hip = -0.5 if sitting else -legs - 0.5  # y; then the shoulder's x and y
    x, y = length * np.cos(pitch), hip - length * np.sin(pitch)

    trunk = curve((0, 0, 0, 0.46), (length / 2, -0.05, 0, 0.38), (length, 0, 0, 0.52))
    marks = [Stroke(curve(*at) * (length, 1, 1, 1), coat[shade]) for shade, at in breed.trunk]
    tail = curve(*breed.tail)
    tip = [Stroke(tail[-5:] * (1, 1, 1, 1.5), coat["tip"])] if "tip" in breed.light else []
    wagging = Stroke(tail, coat["tail"], tip, fur, spots, nearer=-0.3)
    strokes = [
        *turned([Stroke(trunk, coat["body"], marks, fur, spots)], 0, -pitch, 1, (0, hip, 0)),
        *turned([wagging], 0, rng.normal(0.0, 0.2), 1, (-0.35, hip - 0.15, 0)),
    ]
    stride = 0.0 if sitting else rng.uniform(-0.28, 0.28) * legs
    for z, step in ((-0.24, stride), (0.24, -stride)):
        fore: Knots = ((x, y + 0.1, z, 0.25), (x, -legs / 2, z, 0.1), (x + step, -0.1, z, 0.12))
        hind: Knots = ((0, hip, z, 0.38), (0, -legs * 0.6, z, 0.02), (-0.12 - step, -0.1, z, 0.12))
        if sitting:
            hind = ((-0.1, -0.45, 1.4 * z, 0.4), (0.3, -0.8, 2 * z, 0.5), (0.5, -0.1, 2 * z, 0.12))
        for leg, ankle in ((curve(*fore), -6), (curve(*hind), -2 if sitting else -6)):
            foot = curve(leg[-1], leg[-1] + (0.16, 0.02, 0, -0.02))
            strokes.append(Stroke(leg, coat["body"], (), fur, spots, nearer=0.1))
            sock = np.concatenate([leg[ankle:], foot])
            strokes.append(Stroke(sock, coat["paw"], (), fur, spots, nearer=0.15))

    neck = curve((x - 0.05, y, 0, 0.42), (x + 0.45, y - 0.5 - breed.neck, 0, 0.3))
    band = curve(neck[9] + (0.3, 0.15, 0, -0.25), neck[9] - (0.3, 0.15, 0, 0.25))
    collar = [Stroke(band, choose(rng, COLLARS))] if rng.random() < 0.5 else []
    return [*strokes, Stroke(neck, coat["body"], collar, fur, spots, nearer=0.3)]


def _head(breed: Breed, coat: _Coat, rng: np.random.Generator) -> list[Stroke]:
    """Builds a head around a skull of radius 1 at (0, 0, 0)."""
    nose, fur, spots = breed.muzzle, breed.fur, coat["mark"]
    skull = curve((0, 0, 0, 1), (0.1, 0.05, 0, 0.96))
    snout = curve((0.5, 0.25, 0, 0.56), (nose - 0.3, 0.36, 0, 0.32))
    chin = ((nose, 0.5, 0, 0.06), (nose, 0.8, 0, 0.06))
    face, mouth, strokes = [], [], []
    for side in (-1, 1):
        face += [Stroke(curve(*at) * (1, 1, side, 1), coat[shade]) for shade, at in breed.face]
        mouth.append(Stroke(curve(*chin, (nose - 0.5, 0.5, 0.7 * side, 0.05)), _INK))
        ear = curve(*breed.ear) * (1, 1, side, 1)
        pink = [Stroke(ear * (1, 1, 1, 0.5) + (0.1, 0, 0, 0), _PINK)] if ear[-1, 1] < 0 else []
        strokes.append(Stroke(ear, tinted(coat["ear"], 0.88), pink, fur, spots, nearer=0.5))
        eye = curve((0.64, -0.22, 0.52 * side, 0.15))
        glint = Stroke(curve((0.69, -0.28, 0.52 * side, 0.03)), WHITE, nearer=0.02)
        pupil = Stroke(eye * (1, 1, 1, 0.5), _INK, nearer=0.01)
        strokes += [Stroke(eye, coat["eye"]), pupil, glint]
    if rng.random() < 0.4:
        tongue = curve((nose - 0.35, 0.6, 0, 0.14), (nose - 0.25, 0.95, 0, 0.17))
        strokes.append(Stroke(tongue, _TONGUE, nearer=0.15))
    return [
        *strokes,
        Stroke(skull, coat["head"], face, fur, spots),
        Stroke(snout, coat["muzzle"], mouth, nearer=0.2),
        Stroke(curve((nose - 0.05, 0.16, 0, 0.19)), _INK, nearer=0.3),
    ]
