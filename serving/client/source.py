"""One picture before it is read: where it lies, and what it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_URL_STARTS = ("http://", "https://")


@dataclass(frozen=True)
class Url:
    """Where a picture can be downloaded."""

    address: str


@dataclass(frozen=True)
class Problem:
    """Why there is no picture, in plain words."""

    reason: str


@dataclass(frozen=True)
class Source:
    """A picture by name."""

    name: str
    content: Path | Url | bytes | Problem


Picture = str | os.PathLike[str] | bytes | Source
"""What a client takes: a path, an http(s) address, an encoded picture, or any of them named."""


def is_url(text: str) -> bool:
    """Tells whether `text` is an address that pictures are downloaded from."""
    return text.lower().startswith(_URL_STARTS)


def source_of(picture: Picture, position: int) -> Source:
    """Names a picture.

    Args:
        picture: as a client was given it.
        position: its place among the others, from 1.
    """
    if isinstance(picture, Source):
        return picture
    if isinstance(picture, bytes):
        return Source(f"picture {position}", picture)
    if isinstance(picture, str) and is_url(picture):
        return Source(picture, Url(picture))
    return Source(os.fspath(picture), Path(picture))
