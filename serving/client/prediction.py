"""Predictions and version states that clients return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SURE_FROM = 0.5
"""Least probability of a breed that is named without reserve: below, it is more likely wrong than
right."""

Certainty = Literal["sure", "unsure", "unknown"]
"""`unknown`: no picture of a breed that the model knows. `unsure`: of one, but it is more likely
another than the one it names."""


@dataclass(frozen=True)
class Guess:
    """Class that an image may show, with its probability."""

    breed: str
    probability: float
    """In [0, 1]."""


@dataclass(frozen=True)
class Prediction:
    """Predicted classes of one image, or the reason why there are none."""

    name: str
    """File or address as given; "picture 3" if the third was given as bytes."""
    guesses: tuple[Guess, ...] = ()
    """Most probable first; empty on error."""
    error: str | None = None
    """Why this image has no answer, in plain words."""
    version: int | None = None
    """Version of the model that answered."""
    latency_ms: float | None = None
    """Duration of the call that carried this image, retries included."""
    is_known: bool | None = None
    """Whether the image is like those that the model learned from; None on error, and from a model
    that does not say."""

    @property
    def certainty(self) -> Certainty | None:
        """How far the answer can be relied on; None where `is_known` is."""
        if self.is_known is None:
            return None
        if not self.is_known:
            return "unknown"
        return "sure" if self.guesses[0].probability >= SURE_FROM else "unsure"


@dataclass(frozen=True)
class VersionStatus:
    """State of one version of a model on the server."""

    version: int
    state: str
    """START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN."""
    error: str | None = None
    """Why it cannot be served."""
