"""Names of the features, from TFRecord to network."""

from __future__ import annotations

IMAGE_KEY = "image/encoded"
"""Encoded picture, as bytes."""
LABEL_KEY = "image/class/label"
"""Place of the breed in the sorted list of breeds, int64."""
BREED_KEY = "image/class/text"
"""Breed in words; its domain in the schema is the list of all breeds."""

CHECKED_KEYS = (IMAGE_KEY, "image/format", "image/height", "image/width", BREED_KEY, LABEL_KEY)
"""What an inferred schema speaks of. Not of file names: it would list those of a small train split,
and every name in the eval split would be an anomaly."""


def transformed_name(key: str) -> str:
    """Returns the name that the Transform graph gives a feature."""
    return f"{key}_xf"
