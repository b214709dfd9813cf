"""Names of the features, from TFRecord to network."""

from __future__ import annotations

IMAGE_KEY = "image/encoded"
"""Encoded picture, as bytes."""
LABEL_KEY = "image/class/label"
"""Place of the breed in the sorted list of breeds, int64."""
BREED_KEY = "image/class/text"
"""Breed in words; its domain in the schema is the list of all breeds."""


def transformed_name(key: str) -> str:
    """Returns the name that the Transform graph gives a feature."""
    return f"{key}_xf"
