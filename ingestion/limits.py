"""What a model takes: known to those who make it and to those who ask it."""

from __future__ import annotations

MAX_MEGAPIXELS = 25
"""Larger pictures are refused before they are decoded: 75 MB each once they are, and none needs to
be larger to tell a breed."""
