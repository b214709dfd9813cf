"""Draws the built-in sample: labelled images of invented toy breeds, without a download.

`write_sample` uses the layout of Stanford Dogs' `images.tar`, so that the sample takes the same way
through the pipeline. A small network learns it in a minute, but colour alone is not enough.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from foundation.errors import DatasetError
from ingestion.toy_dogs.breeds import BLACK, BREEDS, BROWN, CREAM, GREY, RED, TAN, WHITE, Breed
from ingestion.toy_dogs.dog import COLLARS, choose, pose_dog, varied
from ingestion.toy_dogs.drawing import Colour, paint, tinted, turned

ARCHIVE_NAME = "toy-dogs.tar"
_FIRST_WNID = 90_000_001  # far above all WordNet IDs
_MIN_SIZE_PX = 16  # below, breeds cannot be told apart
_SUPERSAMPLING = 3  # canvas width by image width, for smooth edges

# Backdrops: the colours above and below the horizon.
_PLACES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 194, 232), (106, 158, 74)),  # a meadow
    ((170, 204, 226), (214, 190, 142)),  # a beach
    ((214, 200, 178), (148, 104, 68)),  # a room with a wooden floor
    ((168, 186, 182), (170, 164, 158)),  # a room with a carpet
    ((196, 206, 220), (226, 230, 236)),  # snow
    ((134, 122, 116), (122, 120, 124)),  # a street
)
# Things share the colours of dogs, so that a patch of colour does not identify a breed.
_THING_COLOURS = (WHITE, CREAM, TAN, RED, BROWN, GREY, BLACK, *COLLARS)


def write_sample(
    directory: Path,
    *,
    seed: int = 0,
    per_breed: int = 100,
    size_px: int = 96,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draws the sample and writes it atomically as one tar archive.

    Args:
        directory: folder of the archive, created if missing. An existing archive is replaced.
        seed: at least 0; equal arguments give the same bytes. Image k of a breed does not depend on
            `per_breed`.
        per_breed: images per breed, at least 1.
        size_px: width and height of every image, in pixels, at least 16.
        progress: called after each image with the number written and the total.

    Returns:
        The archive, whose first member is `Images/n90000001-Toy_Beagle/n90000001_1.jpg`.

    Raises:
        ValueError: `seed`, `per_breed` or `size_px` is too small.
        DatasetError: the archive cannot be written.
    """
    limits = (("seed", seed, 0), ("per_breed", per_breed, 1), ("size_px", size_px, _MIN_SIZE_PX))
    for name, value, least in limits:
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")
    archive = directory / ARCHIVE_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # In the same folder: a rename is atomic only within one file system.
        with tempfile.TemporaryDirectory(prefix=".toy-dogs-", dir=directory) as scratch:
            partial = Path(scratch, ARCHIVE_NAME)
            with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
                for written, (path, content) in enumerate(_pictures(seed, per_breed, size_px), 1):
                    member = tarfile.TarInfo(path)  # owner and time are 0, to be reproducible
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                    if progress is not None:
                        progress(written, len(BREEDS) * per_breed)
            partial.replace(archive)
    except OSError as error:
        raise DatasetError(
            f"Cannot write the sample to {archive}: {error.strerror or error}. "
            "Choose a folder that can be written to and has room."
        ) from error
    return archive


def _pictures(seed: int, per_breed: int, size_px: int) -> Iterator[tuple[str, bytes]]:
    """Yields each image's path in the archive and its JPEG bytes."""
    for breed_index, breed in enumerate(BREEDS):
        wnid = f"n{_FIRST_WNID + breed_index}"
        for index in range(per_breed):
            # One generator per image, so that none depends on those drawn before it.
            picture = _picture(breed, np.random.default_rng((seed, breed_index, index)), size_px)
            content = io.BytesIO()
            picture.save(content, format="JPEG", quality=90)
            yield f"Images/{wnid}-{breed.name}/{wnid}_{index + 1}.jpg", content.getvalue()


def _picture(breed: Breed, rng: np.random.Generator, size_px: int) -> Image.Image:
    """Draws one dog in front of a backdrop: RGB, (size_px, size_px)."""
    canvas_px = size_px * _SUPERSAMPLING
    strokes, (low, high) = pose_dog(breed, rng)
    # The dog nearly fills the smaller of width and height.
    unit_px = rng.uniform(0.86, 0.98) * canvas_px / float((high - low).max())
    half = (high - low) / 2 * unit_px
    middle = canvas_px / 2 + rng.uniform(-1.0, 1.0, 2) * (canvas_px / 2 - half)
    x, y = middle - (low + high) / 2 * unit_px
    picture = _backdrop(rng, canvas_px, middle[0], y, 0.92 * half[0])
    dog = paint(turned(strokes, 0, 0, unit_px, (x, y, 0)), canvas_px, unit_px, rng)
    picture.paste(dog, mask=dog)
    return _photograph(picture.reduce(_SUPERSAMPLING), dog.reduce(_SUPERSAMPLING), rng)


def _backdrop(rng: np.random.Generator, px: int, x: float, y: float, reach: float) -> Image.Image:
    """Draws a place with up to three boxes or balls, and the shadow of a dog at x, y."""
    upper, lower = (varied(colour, rng, 10.0) for colour in choose(rng, _PLACES))
    picture = Image.new("RGB", (px, px), upper)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, max(0.0, min(y, px) - rng.uniform(0.08, 0.4) * px), px, px), fill=lower)
    for _ in range(rng.integers(4)):
        fill = varied(choose(rng, (upper, lower, *_THING_COLOURS)), rng, 16.0)
        (left, top), (wide, high) = rng.uniform(-0.1, 1.0, 2) * px, rng.uniform(0.06, 0.28, 2) * px
        shape = choose(rng, (draw.ellipse, draw.rectangle))
        shape((left, top, left + wide, top + high), fill=fill)
    draw.ellipse((x - reach, y - 0.05 * px, x + reach, y + 0.05 * px), fill=tinted(lower, 0.62))
    return picture.filter(ImageFilter.GaussianBlur(px * rng.uniform(0.003, 0.014)))


def _photograph(picture: Image.Image, dog: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Adds light from one side and a camera's colour cast, blur and noise."""
    size_px, silhouette = picture.width, dog.getchannel("A")
    # The blurred silhouette serves as a height map: its slope says which side faces the light.
    rounded = silhouette.filter(ImageFilter.GaussianBlur(size_px / 24))
    slope_y, slope_x = np.gradient(np.asarray(rounded, dtype=np.float64) / 255.0 * size_px / 10)
    angle = rng.uniform(-np.pi, 0.0)  # the light comes from above
    lit = -(slope_x * np.cos(angle) + slope_y * np.sin(angle)) * rng.uniform(0.25, 0.75)
    relief = 1.0 + np.clip(lit, -0.4, 0.3) * (np.asarray(silhouette) / 255.0)
    warmth = rng.normal(0.0, 0.04)
    cast = np.array([1.0 + warmth, 1.0, 1.0 - warmth]) * rng.uniform(0.88, 1.06)
    pixels = np.clip(np.asarray(picture) * relief[:, :, None] * cast, 0, 255).astype(np.uint8)
    blur = ImageFilter.GaussianBlur(size_px * rng.uniform(0.0, 0.005))
    noise = rng.normal(0.0, rng.uniform(1.0, 3.5), pixels.shape)
    noisy = np.asarray(Image.fromarray(pixels).filter(blur)) + noise
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
