"""What makes a breed of toy dogs: its proportions, its colours and the kind of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ingestion.toy_dogs.colours import Colour


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
