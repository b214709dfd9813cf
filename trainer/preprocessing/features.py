"""Names of the features, from TFRecord to network."""

from __future__ import annotations

IMAGE_KEY = "image/encoded"
"""Encoded image, bytes."""
LABEL_KEY = "image/class/label"
"""Index of the class in the sorted list of class names, int64."""
BREED_KEY = "image/class/text"
"""Class name; its domain in the schema is the list of all classes."""

CHECKED_KEYS = (IMAGE_KEY, "image/format", "image/height", "image/width", BREED_KEY, LABEL_KEY)
"""Features in an inferred schema. File names are not: of a small train split they would form a
domain, to which every name in the eval split would be an anomaly."""


def transformed_name(key: str) -> str:
    """Returns the name of a feature in the output of the Transform graph."""
    return f"{key}_xf"
