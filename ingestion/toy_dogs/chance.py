"""What is left to chance, so that no two toy dogs are alike: one of several options, a shade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from ingestion.toy_dogs.colours import Colour

_Choice = TypeVar("_Choice")


def choose(rng: np.random.Generator, options: Sequence[_Choice]) -> _Choice:
    """Picks one of the options, all equally likely.

    Args:
        rng: Decides which.
        options: At least one.

    Returns:
        The option picked.
    """
    return options[int(rng.integers(len(options)))]


def varied(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """Gives the colour with its brightness off by a little, its hue by less.

    Args:
        colour: The colour to start from.
        rng: Decides by how much.
        spread: Standard deviation of the brightness, of 255.

    Returns:
        The colour varied.
    """
    shift = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    red, green, blue = (int(value) for value in np.clip(np.array(colour) + shift, 0, 255))
    return red, green, blue
