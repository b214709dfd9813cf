"""What a client gets for each picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """One breed that a picture may show."""

    breed: str
    probability: float
    """In [0, 1]."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one picture, or why there is none."""

    name: str
    """The file or address as it was given; "picture 3" for the third where only bytes were."""
    guesses: tuple[Guess, ...] = ()
    """The most probable first; empty where there is an error."""
    error: str | None = None
    """Why this picture has no answer, in plain words."""
    version: int | None = None
    """The version of the model that answered."""
    latency_ms: float | None = None
    """How long the call took that carried this picture, retries included."""


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model, as the server sees it."""

    version: int
    state: str
    """START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN."""
    error: str | None = None
    """Why it cannot be served."""
