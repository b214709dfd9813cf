"""Pictures for tests."""

from __future__ import annotations

import io

from PIL import Image


def encoded(picture: Image.Image, picture_format: str) -> bytes:
    """Encodes a picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, picture_format)
    return buffer.getvalue()
