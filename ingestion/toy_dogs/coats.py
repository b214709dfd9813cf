"""The coat of one toy dog: which colour each part of it has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.chance import choose, varied
from ingestion.toy_dogs.colours import COLLARS, WHITE, Colour, tinted

_COAT_SPREAD, _WHITE_SPREAD = 9.0, 6.0  # of 255: how much dogs of one colour differ
_COLLAR_FRACTION, _BLUE_EYES_FRACTION = 0.5, 0.7  # of the dogs; of the masked ones
_EYES: tuple[Colour, ...] = ((52, 30, 18), (28, 22, 20), (86, 52, 22))
_BLUE_EYES: Colour = (112, 170, 214)


@dataclass(frozen=True)
class Coat:
    """The colours of one dog, part by part.

    Attributes:
        body: The trunk's and the neck's.
        mark: Of saddle, patches and spots.
        light: Of what is white.
        head: The skull's.
        muzzle: The muzzle's.
        ear: The ears'.
        leg: The legs'.
        paw: The paws'.
        tail: The tail's.
        tip: Of the tail's end.
        eye: The iris's.
        collar: The collar's, or None for a dog without one.
    """

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


def choose_coat(breed: Breed, rng: np.random.Generator) -> Coat:
    """Chooses one dog's colours within its breed.

    Args:
        breed: Gives the colours to choose from and how they lie on the dog.
        rng: Decides the rest.

    Returns:
        The dog's coat.
    """
    main, second = (varied(colour, rng, _COAT_SPREAD) for colour in choose(rng, breed.coats))
    light = varied(WHITE, rng, _WHITE_SPREAD)
    eye = choose(rng, _EYES)
    collar = choose(rng, COLLARS) if rng.random() < _COLLAR_FRACTION else None
    plain = Coat(
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
