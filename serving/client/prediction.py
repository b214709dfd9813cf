"""Predictions and version states that clients return."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class VersionStatus:
    """State of one version of a model on the server."""

    version: int
    state: str
    """START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN."""
    error: str | None = None
    """Why it cannot be served."""
