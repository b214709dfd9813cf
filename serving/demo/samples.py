"""Sample image of each class, shown on the demo page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from foundation.versions import BREEDS_FILE, SAMPLES_DIR
from ingestion.catalogue import readable_breed
from ingestion.picture import UnusablePictureError, normalise
from ingestion.sources.survey import PICTURE_SUFFIXES

_SHORTER_SIDE_PX = 160  # twice the displayed size, for high-density screens


class Samples:
    """Finds the sample image of a class, however its name is spelt.

    `folder` is a version of a model that contains samples, or has one sub-folder of images for each
    class, at any depth. None has no samples.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._paths = [] if folder is None else list(_found(folder))
        # Reversed: the first of two folders with the same name wins.
        self._numbers = {
            _key(breed): number for number, (breed, _) in reversed([*enumerate(self._paths)])
        }

    def __len__(self) -> int:
        return len(self._numbers)

    def number_of(self, breed: str) -> int | None:
        """Returns the number of a class's sample, or None."""
        return self._numbers.get(_key(breed))

    def jpeg(self, number: int) -> bytes | None:
        """Returns a sample as a small JPEG, or None if it is missing or no image."""
        return _thumbnail(self._paths[number][1]) if 0 <= number < len(self._paths) else None


@lru_cache(maxsize=512)
def _thumbnail(path: Path) -> bytes | None:
    try:
        return normalise(path.read_bytes(), _SHORTER_SIDE_PX, grayscale=False).data
    except (OSError, UnusablePictureError):
        return None


def _found(folder: Path) -> Iterator[tuple[str, Path]]:
    try:
        breeds = (folder / BREEDS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        breeds = []
    if breeds:
        for number, breed in enumerate(breeds):
            path = folder / SAMPLES_DIR / f"{number}.jpg"
            if path.is_file():
                yield breed, path
        return
    for parent, folders, names in os.walk(folder):
        folders.sort()
        pictures = [name for name in names if Path(name).suffix.lower() in PICTURE_SUFFIXES]
        if pictures and Path(parent) != folder:
            yield Path(parent).name, Path(parent, min(pictures))


def _key(breed: str) -> str:
    """Normalises a class name: n02085620-Toy_Poodle and toy poodle become the same."""
    return readable_breed(breed).casefold()
