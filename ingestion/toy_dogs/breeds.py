"""The six breeds of toy dogs: proportions, colours and markings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ingestion.toy_dogs.drawing import Colour, Fur

WHITE, CREAM, TAN, RED = (240, 236, 228), (226, 205, 168), (200, 150, 94), (160, 88, 44)
BROWN, GREY, BLACK = (98, 62, 42), (136, 136, 140), (46, 43, 46)

Knots: TypeAlias = tuple[tuple[float, float, float, float], ...]  # see `drawing.curve`
Mark: TypeAlias = tuple[Literal["mark", "light"], Knots]  # colour of the coat, and place


@dataclass(frozen=True, kw_only=True)
class Breed:
    """Properties of a breed. The unit is the depth of the trunk; in the head, the skull radius."""

    name: str  # as in the archive
    coats: tuple[tuple[Colour, Colour, Colour], ...]  # main, mark and light; one is drawn
    light: tuple[str, ...] = ()  # parts in the light colour; others have the main one
    trunk: tuple[Mark, ...] = ()  # x is 0 at the hip and 1 at the shoulder
    face: tuple[Mark, ...] = ()  # both sides of the head
    fur: Fur = "smooth"
    eyes: tuple[Colour, ...] = ((52, 30, 18), (28, 22, 20), (86, 52, 22))  # one is drawn
    ear: Knots  # of the near side
    tail: Knots  # from where it leaves the trunk
    body: float  # from hip to shoulder
    legs: float  # height of the trunk above the ground
    neck: float  # height of the head's middle above the back
    muzzle: float  # from the skull's middle to the nose


_FLOPPY: Knots = ((-0.1, -0.6, 0.6, 0.2), (-0.35, -0.5, 1.15, 0.4), (-0.25, 0.7, 1, 0.28))
_LONG: Knots = ((-0.1, -0.6, 0.6, 0.2), (-0.4, -0.6, 1.3, 0.3), (-0.3, 1.2, 1.1, 0.42))
_PRICKED: Knots = ((-0.2, -0.5, 0.5, 0.46), (-0.2, -1.1, 0.6, 0.26), (-0.15, -1.7, 0.65, 0.03))
_WHIP: Knots = ((0, 0, 0, 0.12), (-0.5, 0.2, 0, 0.08), (-1.1, -0.4, 0, 0.03))
_BLAZE: Mark = ("light", ((1, 0, 0, 0.14), (1, -0.7, 0, 0.1), (0.3, -1, 0, 0.14)))

# Coats overlap between breeds, so that a colour alone does not identify one.
BREEDS = (
    Breed(
        name="Toy_Beagle", light=("muzzle", "paw", "tip"), face=(_BLAZE,), ear=_FLOPPY,
        coats=(*((TAN, BLACK, WHITE),) * 3, (RED, BLACK, WHITE), (TAN, BROWN, WHITE)),
        trunk=(("mark", ((-0.3, -0.4, 0, 0.4), (0.3, -0.2, 0, 0.5), (0.9, -0.4, 0, 0.3))),
               ("light", ((1.2, 0, 0, 0.2), (1.2, 0.5, 0, 0.4), (0.5, 0.6, 0, 0.3)))),
        tail=((0, 0, 0, 0.13), (-0.4, 0.1, 0, 0.12), (-0.4, -1, 0, 0.08)),
        body=0.95, legs=0.85, neck=0.2, muzzle=1.45,
    ),
    Breed(
        name="Toy_Dachshund", light=("muzzle", "paw"), ear=_LONG, tail=_WHIP,
        coats=(*((BROWN, BROWN, TAN), (BLACK, BLACK, TAN)) * 2, (RED, RED, TAN)),
        trunk=(("light", ((1.1, 0.25, 0, 0.2), (1.1, 0.4, 0, 0.2))),),
        face=(("light", ((0.75, -0.55, 0.4, 0.12),)),),
        body=2.0, legs=0.32, neck=0.12, muzzle=1.9,
    ),
    Breed(
        name="Toy_Dalmatian", fur="spotted", ear=_FLOPPY, tail=_WHIP,
        coats=(*((WHITE, BLACK, WHITE),) * 3, (WHITE, BROWN, WHITE), (CREAM, BLACK, CREAM)),
        body=0.95, legs=1.25, neck=0.4, muzzle=1.55,
    ),
    Breed(
        name="Toy_Husky", fur="shaggy", light=("muzzle", "paw", "tip"), ear=_PRICKED,
        coats=(*((GREY, GREY, WHITE),) * 3, (BLACK, BLACK, WHITE), (BROWN, BROWN, WHITE)),
        trunk=(("light", ((0, 0.7, 0, 0.3), (0.9, 0.8, 0, 0.5), (1.3, 0.1, 0, 0.4))),),
        face=(("light", ((0.75, -0.25, 0.5, 0.38),)),
              ("light", ((0.4, 0.6, 0.5, 0.5), (0.9, 0.4, 0, 0.6)))),
        tail=((0, 0.1, 0, 0.15), (-0.9, -0.4, 0, 0.24), (0, -1.5, 0, 0.24), (0.6, -0.4, 0, 0.1)),
        body=0.85, legs=0.95, neck=0.22, muzzle=1.4, eyes=((112, 170, 214), (52, 30, 18)),
    ),
    Breed(
        name="Toy_Poodle", fur="curly", ear=_FLOPPY,
        coats=(*((CREAM, CREAM, CREAM),) * 3, (TAN, TAN, TAN), (GREY, GREY, GREY)),
        tail=((0, 0, 0, 0.08), (-0.2, -0.2, 0, 0.05), (-0.2, -0.4, 0, 0.05), (-0.3, -0.8, 0, 0.36)),
        body=0.7, legs=1.1, neck=0.42, muzzle=1.55,
    ),
    Breed(
        name="Toy_Spaniel", fur="shaggy", light=("body", "muzzle", "paw"), face=(_BLAZE,),
        coats=(*((RED, RED, WHITE),) * 3, (TAN, TAN, WHITE), (BROWN, BROWN, WHITE)),
        trunk=(("mark", ((0.1, -0.25, 0, 0.26), (0.25, -0.3, 0, 0.3))),
               ("mark", ((0.75, -0.2, 0, 0.2), (0.8, 0, 0, 0.25)))),
        ear=_LONG, tail=((0, 0, 0, 0.1), (-0.4, 0.1, 0, 0.25), (-0.8, -0.1, 0, 0.08)),
        body=0.95, legs=0.72, neck=0.2, muzzle=1.4,
    ),
)  # fmt: skip
