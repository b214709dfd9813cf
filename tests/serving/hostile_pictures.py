"""Pictures as an attacker, or a bad disk, would send them; the same ones for the same seed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.pictures import encoded


def hostile_pictures(photograph: Image.Image, count: int, seed: int = 5) -> Iterator[bytes]:
    """Yields `count` pictures: every crafted one, then mutations of good ones."""
    crafted = [make(photograph) for make in _CRAFTED]
    yield from crafted[:count]
    rng = np.random.default_rng(seed)
    originals = [
        *(encoded(photograph, name) for name in ("JPEG", "PNG", "GIF", "BMP")),
        _progressive(photograph),
        *[encoded(photograph, "JPEG")] * 5,
    ]
    for _ in range(count - len(crafted)):
        original = originals[rng.integers(len(originals))]
        yield _MUTATIONS[rng.integers(len(_MUTATIONS))](original, rng)


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(len(changed), size=rng.integers(1, 9))
    changed[places] ^= 1 << rng.integers(8, size=len(places), dtype=np.uint8)
    return changed.tobytes()


def _header_overwritten(content: bytes, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(2, min(200, len(changed)), size=4)
    changed[places] = rng.choice([0, 1, 0x7F, 0xFF], size=4)
    return changed.tobytes()


def _spliced(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted(rng.integers(len(content), size=2))
    return content[:start] + content[end:] + content[start:end]


_MUTATIONS: list[Callable[[bytes, np.random.Generator], bytes]] = [
    _truncated,
    _flipped,
    _flipped,
    _header_overwritten,
    _spliced,
]


def png(width: int, height: int, depth: int, colour: int, pixels: bytes) -> bytes:
    """Writes a PNG whose header may say what its pixels do not hold."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(pixels, 9)),
            (b"IEND", b""),
        )
    )


def _jpeg_of_size(photograph: Image.Image, height: int, width: int) -> bytes:
    jpeg = encoded(photograph, "JPEG")
    size_at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:size_at] + struct.pack(">HH", height, width) + jpeg[size_at + 4 :]


def _jpeg_with(photograph: Image.Image, segment: bytes) -> bytes:
    jpeg = encoded(photograph, "JPEG")
    return jpeg[:2] + segment + jpeg[2:]


def _comment(size: int) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", size + 2) + bytes(size)


def _gif_of_size(photograph: Image.Image, width: int, height: int) -> bytes:
    gif = encoded(photograph, "GIF")
    frame = gif.index(b"\x2c" + struct.pack("<HHHH", 0, 0, *photograph.size))
    return gif[: frame + 5] + struct.pack("<HH", width, height) + gif[frame + 9 :]


def _bmp_of_size(photograph: Image.Image, width: int, height: int) -> bytes:
    bmp = encoded(photograph, "BMP")
    return bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]


def _progressive(photograph: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photograph.save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


def _animated(photograph: Image.Image) -> bytes:
    buffer = io.BytesIO()
    frames = [photograph.rotate(angle) for angle in range(0, 200, 10)]
    photograph.save(buffer, "GIF", save_all=True, append_images=frames)
    return buffer.getvalue()


_CRAFTED: list[Callable[[Image.Image], bytes]] = [
    lambda _: b"",
    lambda _: b"a dog, described in words",
    lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 10,
    lambda _: bytes(100_000),
    lambda _: b"\xff\xd8\xff",
    lambda _: b"\xff\xd8" * 50_000,
    lambda _: b"GIF89a",
    lambda _: b"BM",
    lambda _: b"\x89PNG\r\n\x1a\n",
    lambda dog: _jpeg_of_size(dog, 65_500, 65_500),
    lambda dog: _jpeg_of_size(dog, 0, 90),
    lambda dog: _jpeg_of_size(dog, 61, 0),
    lambda dog: _jpeg_of_size(dog, 1, 65_500),
    lambda _: png(2**31 - 1, 2**31 - 1, 8, 2, bytes(1000)),
    lambda _: png(30_000, 30_000, 16, 6, bytes(1_000_000)),
    lambda _: png(0, 5, 8, 2, b""),
    lambda _: png(4_000, 4_000, 8, 0, bytes(4_001 * 4_000)),  # honest, and tiny until unpacked
    lambda _: png(10, 10, 16, 2, bytes(61 * 10)),
    lambda _: png(10, 10, 1, 3, bytes(30)),  # a palette that is missing
    lambda _: png(10, 10, 8, 2, bytes(5_000_000)),  # more pixels than declared
    lambda dog: _gif_of_size(dog, 65_535, 65_535),
    lambda dog: _gif_of_size(dog, 0, 0),
    lambda dog: _bmp_of_size(dog, 2**31 - 1, 2**31 - 1),
    lambda dog: _bmp_of_size(dog, 30_000, -30_000),
    lambda dog: _bmp_of_size(dog, 0, 0),
    lambda dog: _bmp_of_size(dog, -90, 61),
    lambda dog: _bmp_of_size(dog, 90, -(2**31)),
    lambda dog: _jpeg_with(dog, _comment(65_533) * 40),
    lambda dog: _jpeg_with(dog, b"\xff\xfe\xff\xff"),  # a comment that swallows the picture
    lambda dog: _jpeg_with(dog, encoded(dog, "JPEG")),  # a picture inside a picture
    lambda dog: _progressive(dog),
    lambda dog: encoded(dog.convert("CMYK"), "JPEG"),
    lambda dog: encoded(dog.convert("L"), "JPEG"),
    lambda dog: encoded(dog.convert("I;16"), "PNG"),
    lambda dog: encoded(dog.convert("P"), "PNG"),
    lambda dog: encoded(dog.convert("RGBA"), "PNG"),
    lambda dog: encoded(dog.convert("1"), "PNG"),
    lambda dog: encoded(dog.convert("P"), "BMP"),
    lambda dog: encoded(dog, "WEBP"),
    lambda dog: encoded(dog, "TIFF"),
    lambda dog: _animated(dog),
    lambda dog: _animated(dog)[:-2000],
    lambda dog: encoded(dog, "JPEG") + bytes(3_000_000),
    lambda dog: encoded(dog.resize((1, 1)), "JPEG"),
    lambda dog: encoded(dog.resize((20_000, 1)), "PNG"),
]
