"""What lets the report be one file: pictures as data addresses, scripts with their fingerprints."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable

from PIL import Image, UnidentifiedImageError

_SIGNATURES = ((b"\x89PNG", "image/png"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


def data_address(data: bytes, media_type: str | None = None) -> str:
    """Returns a picture as a `data:` address.

    Args:
        data: the encoded picture.
        media_type: such as `image/png`; None tells PNG, GIF and WebP by their first bytes and
            takes all else for JPEG.
    """
    if media_type is None:
        kinds = (kind for signature, kind in _SIGNATURES if data.startswith(signature))
        media_type = next(kinds, "image/jpeg")
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def first_frame(data: bytes) -> str | None:
    """Returns an animation's first frame as a `data:` address; None if it does not move."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if not getattr(picture, "is_animated", False):
                return None
            still = io.BytesIO()
            picture.convert("RGB").save(still, "PNG", optimize=True)
    except (UnidentifiedImageError, OSError):
        return None
    return data_address(still.getvalue(), "image/png")


def size_of(data: bytes) -> tuple[int, int] | None:
    """Returns a picture's width and height in pixels, which keep its place; None if unknown."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError):
        return None


def content_security_policy(scripts: Iterable[str]) -> str:
    """Returns a policy under which the page runs these scripts and asks for nothing.

    Args:
        scripts: what stands between each `<script>` and `</script>`, character by character.
    """
    digests = (hashlib.sha256(script.encode("utf-8")).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
    # Plotly and the bars set styles of their own.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
