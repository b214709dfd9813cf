"""The built-in sample: pictures of invented toy breeds, drawn on the spot, no download needed.

`write_sample` packs them in the layout of Stanford Dogs' `images.tar`, so that the sample takes the
same way through the pipeline as the real data set does. The pictures are easy enough for a small
network to learn in a minute and varied enough that colour alone does not give the breed away.

Example:
    archive = write_sample(Path("data"), per_breed=100)
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
from ingestion.toy_dogs.breed import Breed
from ingestion.toy_dogs.chance import choose, varied
from ingestion.toy_dogs.colours import (
    BLACK,
    BROWN,
    COLLARS,
    CREAM,
    GREY,
    RED,
    TAN,
    WHITE,
    Colour,
    tinted,
)
from ingestion.toy_dogs.geometry import Points, ellipse
from ingestion.toy_dogs.poses import pose_dog
from ingestion.toy_dogs.shapes import paint, placed, polygon

ARCHIVE_NAME = "toy-dogs.tar"
_FIRST_WNID = 90_000_001  # WordNet ids end far below, so that no toy is taken for a real breed
_JPEG_QUALITY = 90
_MIN_SIZE_PX = 16  # below, nothing of a breed is left
_SUPERSAMPLING = 3  # the canvas is this many times wider than the picture: smooth edges for little
_DOG_FRACTION = (0.86, 1.0)  # of the picture's width or height, whichever the dog fills first
_TILT_RAD = 0.03  # how far the camera is held askew, standard deviation
_EDGE_FRACTION = 0.008  # of the picture's width: the darker edge around each part of a dog
_SHADOW = 0.62  # brightness of the ground in the dog's shadow

# Where a dog may be: the colours of what is above and below the horizon.
_PLACES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 194, 232), (106, 158, 74)),  # a meadow
    ((170, 204, 226), (214, 190, 142)),  # a beach
    ((214, 200, 178), (148, 104, 68)),  # a room with a wooden floor
    ((168, 186, 182), (170, 164, 158)),  # a room with a carpet
    ((196, 206, 220), (226, 230, 236)),  # snow
    ((134, 122, 116), (122, 120, 124)),  # a street
)
_PLACE_SPREAD, _THING_SPREAD = 10.0, 16.0  # of 255: how much their colours vary
# Things stand about in the colours of dogs too, so that a patch of colour is no proof of a breed.
_THING_COLOURS = (WHITE, CREAM, TAN, RED, BROWN, GREY, BLACK, *COLLARS)
_THING_SIZE = (0.03, 0.14)  # half its width and height, of the picture's width
_STAND_OUT_FRACTION = 0.65  # of the things: the others are coloured like what is around them
_MAX_FAR_THINGS, _MAX_NEAR_THINGS = 1, 2

# The camera and the light. Widening these ranges is what makes the sample harder to learn.
_BACKDROP_BLUR = (0.003, 0.014)  # standard deviation, of the picture's width
_EXPOSURE = (0.88, 1.06)  # factor on all channels
_WARMTH = 0.04  # how far red and blue are driven apart, standard deviation of the factor
_FALLOFF = (0.0, 0.14)  # how much brighter the side is from which the light comes
_RELIEF = (0.25, 0.75)  # strength of the shading that makes a dog look round
_RELIEF_LIMITS = (-0.4, 0.3)  # darkest and brightest that shading may do
_LENS_BLUR = (0.0, 0.005)  # standard deviation, of the picture's width
_NOISE = (1.0, 3.5)  # standard deviation, of 255

# The coats overlap between breeds on purpose: a colour alone must not give the breed away.
BREEDS = (
    Breed(
        name="Toy_Beagle",
        coats=((TAN, BLACK), (TAN, BLACK), (TAN, BLACK), (RED, BLACK), (TAN, BROWN)),
        pattern="saddle", fur="smooth", ears="floppy", tail="sabre",
        body=1.7, legs=0.85, neck=0.2, head=0.5, muzzle=1.45, bulk=1.05,
    ),
    Breed(
        name="Toy_Dachshund",
        coats=((BROWN, TAN), (BROWN, TAN), (RED, TAN), (BLACK, TAN), (BLACK, TAN)),
        pattern="points", fur="smooth", ears="long", tail="whip",
        body=2.9, legs=0.32, neck=0.12, head=0.5, muzzle=1.95, bulk=1.0,
    ),
    Breed(
        name="Toy_Dalmatian",
        coats=((WHITE, BLACK), (WHITE, BLACK), (WHITE, BLACK), (WHITE, BROWN), (CREAM, BLACK)),
        pattern="spots", fur="smooth", ears="floppy", tail="whip",
        body=1.65, legs=1.25, neck=0.4, head=0.46, muzzle=1.55, bulk=0.9,
    ),
    Breed(
        name="Toy_Husky",
        coats=((GREY, WHITE), (GREY, WHITE), (GREY, WHITE), (BLACK, WHITE), (BROWN, WHITE)),
        pattern="mask", fur="shaggy", ears="pricked", tail="curl",
        body=1.6, legs=0.95, neck=0.22, head=0.56, muzzle=1.4, bulk=1.2,
    ),
    Breed(
        name="Toy_Poodle",
        coats=((CREAM, CREAM), (CREAM, CREAM), (CREAM, CREAM), (TAN, TAN), (GREY, GREY)),
        pattern="plain", fur="curly", ears="floppy", tail="pompon",
        body=1.35, legs=1.1, neck=0.42, head=0.46, muzzle=1.55, bulk=0.85,
    ),
    Breed(
        name="Toy_Spaniel",
        coats=((RED, RED), (RED, RED), (RED, RED), (TAN, TAN), (BROWN, BROWN)),
        pattern="patches", fur="shaggy", ears="long", tail="feather",
        body=1.75, legs=0.72, neck=0.2, head=0.52, muzzle=1.4, bulk=1.1,
    ),
)  # fmt: skip


def write_sample(
    directory: Path,
    *,
    seed: int = 0,
    per_breed: int = 100,
    size_px: int = 96,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draws the sample and writes it as one tar archive, whole or not at all.

    Args:
        directory: Where the archive goes; created if absent. An archive of that name is replaced.
        seed: Chooses the pictures, at least 0; equal arguments give the same archive, byte for
            byte. Picture k of a breed is the same whatever `per_breed` is.
        per_breed: Number of pictures of each breed, at least 1.
        size_px: Width and height of every picture, in pixels, at least 16.
        progress: Called after each picture with the number written and the number to write.

    Returns:
        The archive, `directory/toy-dogs.tar`, with `Images/n90000001-Toy_Beagle/n90000001_1.jpg`
        and so on in it.

    Raises:
        ValueError: `seed`, `per_breed` or `size_px` is too small.
        DatasetError: The archive cannot be written.
    """
    for name, value, least in (
        ("seed", seed, 0), ("per_breed", per_breed, 1), ("size_px", size_px, _MIN_SIZE_PX),
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")
    archive = directory / ARCHIVE_NAME
    num_members = len(BREEDS) * per_breed
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # In the same folder, because only within one file system is a rename all or nothing.
        with tempfile.TemporaryDirectory(prefix=".toy-dogs-", dir=directory) as scratch:
            partial = Path(scratch, ARCHIVE_NAME)
            with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
                for written, (path, content) in enumerate(_pictures(seed, per_breed, size_px), 1):
                    member = tarfile.TarInfo(path)  # its owner and time are 0, not this machine's
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                    if progress is not None:
                        progress(written, num_members)
            partial.replace(archive)
    except OSError as error:
        raise DatasetError(
            f"Cannot write the sample to {archive}: {error.strerror or error}. "
            "Choose a folder that can be written to and has room."
        ) from error
    return archive


def _pictures(seed: int, per_breed: int, size_px: int) -> Iterator[tuple[str, bytes]]:
    """Yields each picture's path in the archive and its JPEG bytes."""
    for breed_index, breed in enumerate(BREEDS):
        wnid = f"n{_FIRST_WNID + breed_index}"
        for index in range(per_breed):
            # A generator of its own: no picture depends on those drawn before it.
            picture = _picture(breed, np.random.default_rng((seed, breed_index, index)), size_px)
            content = io.BytesIO()
            picture.save(content, format="JPEG", quality=_JPEG_QUALITY)
            yield f"Images/{wnid}-{breed.name}/{wnid}_{index + 1}.jpg", content.getvalue()


def _picture(breed: Breed, rng: np.random.Generator, size_px: int) -> Image.Image:
    """Draws one dog of a breed in a place of its own, as an RGB picture of (size_px, size_px)."""
    canvas_px = size_px * _SUPERSAMPLING
    dog = pose_dog(breed, rng)
    extent = dog.high - dog.low
    scale = canvas_px * rng.uniform(*_DOG_FRACTION) / float(extent.max())
    room = np.maximum(canvas_px - extent * scale, 0.0)
    centre = canvas_px / 2 + rng.uniform(-0.5, 0.5, 2) * room
    middle = (dog.low + dog.high) / 2
    ground_y = float(centre[1] - middle[1] * scale)
    shapes = placed(
        dog.shapes, centre, scale=scale, turn=rng.normal(0.0, _TILT_RAD),
        mirrored=rng.random() < 0.5, pivot=middle,
    )  # fmt: skip

    picture = _backdrop(rng, canvas_px, min(ground_y, canvas_px))
    if dog.grounded:
        shadow = ellipse(centre[0], ground_y, extent[0] * scale * 0.46, canvas_px * 0.05)
        below = picture.crop((0, canvas_px - 1, 1, canvas_px)).tobytes()
        polygon(ImageDraw.Draw(picture), shadow, tinted((below[0], below[1], below[2]), _SHADOW))
    silhouette = Image.new("L", picture.size, 0)
    for shape in shapes:
        paint(picture, shape, edge_px=max(1, round(canvas_px * _EDGE_FRACTION)))
        polygon(ImageDraw.Draw(silhouette), shape.outline, 255)
    return _photograph(picture.reduce(_SUPERSAMPLING), silhouette.reduce(_SUPERSAMPLING), rng)


def _backdrop(rng: np.random.Generator, canvas_px: int, ground: float) -> Image.Image:
    """Paints a place for the dog to be: what is far, the ground, and things standing about."""
    upper, lower = (varied(colour, rng, _PLACE_SPREAD) for colour in choose(rng, _PLACES))
    horizon = max(0.0, ground - rng.uniform(0.08, 0.4) * canvas_px)
    picture = Image.new("RGB", (canvas_px, canvas_px), upper)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(_MAX_FAR_THINGS + 1)):
        polygon(draw, *_thing(rng, canvas_px, rng.uniform(0.0, horizon), upper))
    draw.rectangle((0, horizon, canvas_px, canvas_px), fill=lower)
    for _ in range(rng.integers(_MAX_NEAR_THINGS + 1)):
        polygon(draw, *_thing(rng, canvas_px, rng.uniform(horizon, canvas_px), lower))
    return picture.filter(ImageFilter.GaussianBlur(canvas_px * rng.uniform(*_BACKDROP_BLUR)))


def _thing(
    rng: np.random.Generator, canvas_px: int, y: float, around: Colour
) -> tuple[Points, Colour]:
    """Makes up a bush, a ball, a box or the like: its outline and its colour."""
    stands_out = rng.random() < _STAND_OUT_FRACTION
    fill = varied(choose(rng, _THING_COLOURS) if stands_out else around, rng, _THING_SPREAD)
    wide, high = rng.uniform(*_THING_SIZE, 2) * canvas_px
    corners, turn = choose(rng, ((4, np.pi / 4), (24, 0.0)))  # an upright box or something round
    return ellipse(rng.uniform(0, canvas_px), y, wide, high, turn, corners), fill


def _photograph(
    picture: Image.Image, silhouette: Image.Image, rng: np.random.Generator
) -> Image.Image:
    """Lights the scene from one side and adds a camera's colour cast, blur and noise."""
    size_px = picture.width
    pixels = np.asarray(picture, dtype=np.float64)  # (size_px, size_px, 3)

    # The blurred silhouette serves as a height map: its slope says which side faces the light.
    rounded = silhouette.filter(ImageFilter.GaussianBlur(size_px / 24))
    slope_y, slope_x = np.gradient(np.asarray(rounded, dtype=np.float64) / 255.0 * size_px / 10)
    angle = rng.uniform(-np.pi, 0.0)  # the light comes from above
    lit = -(slope_x * np.cos(angle) + slope_y * np.sin(angle)) * rng.uniform(*_RELIEF)
    on_dog = np.asarray(silhouette, dtype=np.float64) / 255.0
    pixels *= (1.0 + np.clip(lit, *_RELIEF_LIMITS) * on_dog)[:, :, None]

    across = np.linspace(-1.0, 1.0, size_px)
    falloff = across[None, :] * np.cos(angle) + across[:, None] * np.sin(angle)
    warmth = rng.normal(0.0, _WARMTH)
    cast = np.array([1.0 + warmth, 1.0, 1.0 - warmth]) * rng.uniform(*_EXPOSURE)
    pixels *= (1.0 + rng.uniform(*_FALLOFF) * falloff)[:, :, None] * cast

    softened = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(size_px * rng.uniform(*_LENS_BLUR))
    )
    noise = rng.normal(0.0, rng.uniform(*_NOISE), pixels.shape)
    noisy = np.asarray(softened, dtype=np.float64) + noise
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
