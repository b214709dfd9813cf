"""Slicing features that are derived from the images: size, shape, colour, source.

A slice is a part of the eval split whose accuracy is measured, and bounded, by itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2

from foundation.errors import UsageError, UserError
from ingestion.catalogue import readable_breed
from ingestion.records import FILENAME_KEY, HEIGHT_KEY, IMAGE_KEY, TEXT_KEY, WIDTH_KEY

PICTURE_SIZE = "picture_size"
"""`small` where the shorter side has less than 128 pixels, `medium` below 256, else `large`."""
SHAPE = "shape"
"""`landscape`, `portrait`, or `square` where the sides differ by up to a tenth."""
COLOUR = "colour"
"""`grey`, `muted` or `vivid`, by the mean saturation."""
SOURCE = "source"
"""The first folder in the file's name that is not its breed's own."""

Features = Mapping[str, NDArray[Any]]
"""Features of one image by name, each `(n,)`."""

_MEDIUM_PX = 128
_LARGE_PX = 256
_LONGER = 1.1
_MUTED = 0.08
_VIVID = 0.25
# A colour's mean needs few pixels, and a JPEG gives one in eight of each side nearly for nothing.
_DRAFT = 8
_NO_FOLDER = "none"


def picture_size(features: Features) -> str:
    """Returns the class of the image's stored size."""
    shorter_px = min(features[HEIGHT_KEY][0], features[WIDTH_KEY][0])
    if shorter_px < _MEDIUM_PX:
        return "small"
    return "medium" if shorter_px < _LARGE_PX else "large"


def shape(features: Features) -> str:
    """Returns the class of the image's aspect ratio."""
    height, width = features[HEIGHT_KEY][0], features[WIDTH_KEY][0]
    if width > _LONGER * height:
        return "landscape"
    return "portrait" if height > _LONGER * width else "square"


def colour(features: Features) -> str:
    """Returns the class of the image's saturation."""
    with Image.open(io.BytesIO(features[IMAGE_KEY][0])) as picture:
        picture.draft("RGB", (picture.width // _DRAFT, picture.height // _DRAFT))
        saturation = np.asarray(picture.convert("HSV"))[..., 1].mean() / 255
    if saturation < _MUTED:
        return "grey"
    return "muted" if saturation < _VIVID else "vivid"


def source(features: Features) -> str:
    """Returns the folder that the image is from."""
    breed = features[TEXT_KEY][0].decode()
    path = PurePosixPath(features[FILENAME_KEY][0].decode())
    folders = path.parent.parts
    return next((name for name in folders if readable_breed(name) != breed), _NO_FOLDER)


DERIVED: Mapping[str, Callable[[Features], str]] = {
    PICTURE_SIZE: picture_size,
    SHAPE: shape,
    COLOUR: colour,
    SOURCE: source,
}


def check_slices(slices: Sequence[str], schema_file: Path) -> None:
    """Checks that the features in `evaluator.slices` exist.

    Where the converter's schema is missing, the features are not known yet and pass.

    Raises:
        UserError: a feature is neither in the records nor derived, or the schema cannot be read.
    """
    if not slices or not schema_file.is_file():
        return
    try:
        schema = text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(
            f"The schema {schema_file} is damaged: {error}. Convert the pictures again."
        ) from None
    known = [*DERIVED, *(each.name for each in schema.feature if each.name != IMAGE_KEY)]
    if unknown := [name for name in slices if name not in known]:
        raise UsageError(
            f"evaluator.slices: there is no feature {', '.join(unknown)} in the records. "
            f"There are {', '.join(known)}."
        )
