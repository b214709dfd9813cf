"""Colours of the toy dogs and their surroundings, and how one is made darker or brighter."""

from __future__ import annotations

from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]

WHITE, CREAM, TAN, RED = (240, 236, 228), (226, 205, 168), (200, 150, 94), (160, 88, 44)
BROWN, GREY, BLACK = (98, 62, 42), (136, 136, 140), (46, 43, 46)
COLLARS: tuple[Colour, ...] = (
    (200, 44, 48), (40, 96, 190), (48, 150, 84), (232, 186, 50), (130, 66, 160), (30, 30, 34),
)  # fmt: skip
FAR_SHADE = 0.72  # brightness of the legs and the ear on a dog's far side


def tinted(colour: Colour, factor: float) -> Colour:
    """Gives the colour with its brightness multiplied.

    Args:
        colour: The colour to start from.
        factor: What each channel is multiplied by; none goes beyond 255.

    Returns:
        The darker or brighter colour.
    """
    red, green, blue = (int(min(255.0, channel * factor)) for channel in colour)
    return red, green, blue
