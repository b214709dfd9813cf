"""Reader of MNIST's idx files: many small grey images in one file, their labels in another.

Format: http://yann.lecun.com/exdb/mnist/ (the section "File formats").
"""

from __future__ import annotations

import gzip
import posixpath
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from foundation.errors import DatasetError
from ingestion.sources.reader import Picture, Unusable
from ingestion.sources.survey import IDX_NAME

_IMAGES_MAGIC = 0x0803  # unsigned bytes, three dimensions
_LABELS_MAGIC = 0x0801  # unsigned bytes, one dimension


@dataclass(frozen=True)
class _Part:
    """A pair of files, such as train or t10k."""

    stem: str
    labels: bytes
    """One byte per image."""
    pixels: bytes
    """Pixels of all images, row by row, without the header."""
    height_px: int
    width_px: int


class IdxReader:
    """Reader of all pairs of idx files in a source, in the order of file names, in memory.

    Args:
        files: content by path, of every file named like `train-images-idx3-ubyte.gz`.
        source: name of the source, for messages.

    Raises:
        DatasetError: a file is damaged or lacks its counterpart.
    """

    def __init__(self, files: Mapping[str, bytes], source: str) -> None:
        paths = {(match["stem"], match["kind"].lower()): path for match, path in _matches(files)}
        stems = sorted({stem for stem, _ in paths})
        if not stems:
            raise DatasetError(
                f"{source} holds no idx files: expected names like train-images-idx3-ubyte.gz."
            )
        self._parts = [_read_part(stem, paths, files, source) for stem in stems]
        self._digits = len(str(max(max(part.labels, default=0) for part in self._parts)))

    @property
    def layout(self) -> str:
        """See `reader.Reader`."""
        return "idx"

    def names(self) -> Iterator[tuple[str, str]]:
        """See `reader.Reader`."""
        for part in self._parts:
            for index, label in enumerate(part.labels):
                yield f"{label:0{self._digits}}", f"{part.stem}-{index:05}"

    def pictures(self) -> Iterator[Picture | Unusable]:
        """See `reader.Reader`. Each image is given as a PGM file: pixels and a header.

        Format: https://netpbm.sourceforge.net/doc/pgm.html
        """
        names = self.names()
        for part in self._parts:
            header = b"P5\n%d %d\n255\n" % (part.width_px, part.height_px)
            num_pixels = part.height_px * part.width_px
            for start in range(0, len(part.pixels), num_pixels):
                class_name, file_name = next(names)
                yield Picture(
                    class_name, file_name, header + part.pixels[start : start + num_pixels]
                )


def _matches(files: Mapping[str, bytes]) -> Iterator[tuple[dict[str, str], str]]:
    for path in sorted(files):
        if match := IDX_NAME.match(posixpath.basename(path)):
            yield match.groupdict(), path


def _read_part(
    stem: str, paths: Mapping[tuple[str, str], str], files: Mapping[str, bytes], source: str
) -> _Part:
    try:
        images_path, labels_path = paths[stem, "images"], paths[stem, "labels"]
    except KeyError as missing:
        raise DatasetError(
            f"{source} lacks {stem}-{missing.args[0][1]}-idx…-ubyte, the counterpart of "
            f"{next(path for key, path in paths.items() if key[0] == stem)}."
        ) from None
    images = _inflate(images_path, files[images_path])
    labels = _inflate(labels_path, files[labels_path])
    try:
        magic, num_images, height_px, width_px = struct.unpack_from(">4I", images)
        labels_magic, num_labels = struct.unpack_from(">2I", labels)
    except struct.error as error:
        raise DatasetError(f"{images_path} or its labels are cut short: get them again.") from error
    if (magic, labels_magic) != (_IMAGES_MAGIC, _LABELS_MAGIC):
        raise DatasetError(f"{images_path} or its labels are no idx files of MNIST's kind.")
    pixels, label_bytes = images[16:], labels[8:]
    if len(pixels) != num_images * height_px * width_px or len(label_bytes) != num_labels:
        raise DatasetError(f"{images_path} or its labels are cut short: get them again.")
    if num_images != num_labels or not num_images:
        raise DatasetError(
            f"{images_path} holds {num_images} pictures but {labels_path} {num_labels} labels."
        )
    return _Part(stem, label_bytes, pixels, height_px, width_px)


def _inflate(path: str, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DatasetError(f"{path} is damaged ({error}): get it again.") from error
