"""Finds duplicate, mislabelled and flawed images before anything is trained on them.

Equal images of several classes cannot all be labelled correctly, (near-)duplicates across splits
inflate the metrics, and blank, dark and tiny images teach nothing. The audit works on a few bytes
kept of each image during conversion, so that no image is decoded twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from PIL import Image, ImageChops

from ingestion.split import EVAL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HASH_PX = 16
HASH_BYTES = _HASH_PX * _HASH_PX // 8
"""Size of an image's difference hash."""
# Of 256. In 12,000 photographs of dogs, pairs of one scene differ in up to 31 bits, others in 33
# or more.
_NEAR_BITS = 24
_BANDS = HASH_BYTES // 2  # of 16 bits each
_NEIGHBOURS = 8  # in sorted order; longer rows of near-copies are still linked pair by pair
_CANDIDATES = 64  # images per class considered for a move to another split
_IS_POSITIVE = [0] + [255] * 255

_TINY_PX = 32
_DARK, _FLAT = 24, 12  # brightest grey value of a dark image, range of values in a blank one


class Flaw(IntFlag):
    """What is wrong with a single image."""

    TINY = 1
    """The shorter side has less than 32 pixels."""
    DARK = 2
    """No part is brighter than a tenth of white."""
    BLANK = 4
    """A single colour all over."""


Finding = Literal["contradictory", "copy", "near-copy", "tiny", "dark", "blank"]
"""A kind of problem, as named in audit.csv."""

_FLAWS: dict[Flaw, tuple[Finding, str]] = {
    Flaw.TINY: ("tiny", f"its shorter side has less than {_TINY_PX} pixels"),
    Flaw.DARK: ("dark", "no part of it is brighter than a tenth of white"),
    Flaw.BLANK: ("blank", "it has one colour all over"),
}


class Look(NamedTuple):
    """Hash and flaws of an image."""

    difference_hash: bytes
    """One bit for each of 16 x 16 cells: whether it is brighter than its right neighbour. Scaling
    and recompression hardly change it."""
    flaws: int
    """A sum of `Flaw`s."""


def look_of(image: Image.Image, shorter_side_px: int) -> Look:
    """Computes the difference hash of a decoded image of any mode and size, and finds its flaws.

    `shorter_side_px` is that of the file; the image may have been scaled down since.
    """
    grey = image.convert("L").resize((_HASH_PX + 1, _HASH_PX), Image.Resampling.BOX)
    left, right = (grey.crop((x, 0, x + _HASH_PX, _HASH_PX)) for x in (0, 1))
    brighter = ImageChops.subtract(left, right).point(_IS_POSITIVE, mode="1")
    darkest, brightest = cast(tuple[int, int], grey.getextrema())
    flaws = 0
    if shorter_side_px < _TINY_PX:
        flaws |= Flaw.TINY
    if brightest - darkest < _FLAT:
        flaws |= Flaw.BLANK
    elif brightest < _DARK:
        flaws |= Flaw.DARK
    return Look(brighter.tobytes(), flaws)


class Seen(NamedTuple):
    """What the audit needs to know of a converted image."""

    key: bytes
    """16 bytes, equal for images that are equal byte for byte."""
    label: int
    split: int
    num_bytes: int
    """Of its record."""
    look: Look


@dataclass
class SplitTotals:
    """Number and size of the examples of one split."""

    examples: Counter[int] = field(default_factory=Counter)
    """Number of examples by label."""
    num_bytes: int = 0
    """Bytes of the framed records."""

    @property
    def num_examples(self) -> int:
        """Number of examples of all labels."""
        return self.examples.total()


@dataclass(frozen=True)
class Audit:
    """Findings over all images, by key; most keys are in none of these."""

    totals: tuple[SplitTotals, ...]
    """Totals of each split after this audit."""
    copies: dict[bytes, int]
    """Number of files, of images that occur more than once."""
    contradictory: dict[bytes, tuple[int, ...]]
    """Labels, of images that occur under several classes."""
    rejected: frozenset[bytes]
    """Images that are left out."""
    near: dict[bytes, int]
    """Group number from 1, of images that look alike though their bytes differ."""
    split_of: dict[bytes, int]
    """Split of each copy and near-copy: all of a group go to the same."""

    def findings(
        self, key: bytes, look: Look, labels: Sequence[str]
    ) -> Iterator[tuple[Finding, str]]:
        """Yields the findings of one image, each with a sentence; `labels` are class names."""
        if key in self.contradictory:
            names = [labels[label] for label in self.contradictory[key]]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield (
                "contradictory",
                f"{self.copies[key]} files have these very bytes, under {len(names)} breeds: "
                f"{', '.join(names[:3])}{more}",
            )
        elif key in self.copies:
            yield "copy", f"{self.copies[key]} files have these very bytes"
        if key in self.near:
            yield "near-copy", f"looks like the other files of group {self.near[key]}"
        for flaw, (finding, sentence) in _FLAWS.items():
            if look.flaws & flaw:
                yield finding, sentence


def audit(
    images: Iterable[Seen],
    num_splits: int,
    *,
    keep_contradictory: bool,
    fill_up: bool,
    min_eval_share: float = 0,
) -> Audit:
    """Compares all images with each other, in about 70 bytes of memory per image.

    Args:
        images: every converted image, always in the same order.
        num_splits: number of splits.
        keep_contradictory: whether to keep images of several classes.
        fill_up: whether to move an image to each split that lacks its class: chance leaves one
            class of ten images in ten without any for evaluation.
        min_eval_share: share of a class that is moved to the eval split where copies and images
            left out have made it smaller.
    """
    by_key: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
    records: list[tuple[bytes, int, int, int]] = []
    split_of: dict[bytes, int] = {}
    hashes: dict[bytes, bytes] = {}
    for image in images:
        by_key[image.key][image.label] += 1
        split_of.setdefault(image.key, image.split)
        records.append(image[:4])
        if not image.look.flaws & (Flaw.BLANK | Flaw.TINY):  # digits of 28 pixels all look alike
            hashes[image.key] = image.look.difference_hash
    copies = {key: labels.total() for key, labels in by_key.items() if labels.total() > 1}
    contradictory = {key: tuple(labels) for key, labels in by_key.items() if len(labels) > 1}
    rejected = frozenset(() if keep_contradictory else contradictory)
    near = _groups(hashes)
    first: dict[int, int] = {}
    for key in sorted(near):
        first.setdefault(near[key], split_of[key])
    together = {key: first[number] for key, number in near.items()}
    split_of = {key: split_of[key] for key in copies} | together
    totals = tuple(SplitTotals() for _ in range(num_splits))
    single: defaultdict[int, list[tuple[bytes, int, int]]] = defaultdict(list)
    for key, label, split, num_bytes in records:
        if key not in rejected:
            total = totals[split_of.get(key, split)]
            total.examples[label] += 1
            total.num_bytes += num_bytes
            if key not in split_of and len(single[label]) < _CANDIDATES:
                single[label].append((key, split, num_bytes))
    if fill_up:
        for label, candidates in single.items():
            split_of |= _fill_up(totals, label, candidates, min_eval_share)
    return Audit(totals, copies, contradictory, rejected, near, split_of)


def _fill_up(
    totals: tuple[SplitTotals, ...],
    label: int,
    candidates: list[tuple[bytes, int, int]],
    min_eval_share: float,
) -> dict[bytes, int]:
    """Moves images of a class to splits that have too few of it; returns new splits by key."""
    moved: dict[bytes, int] = {}
    num_images = sum(total.examples[label] for total in totals)
    for number, total in enumerate(totals):
        wanted = max(1, ceil(min_eval_share * num_images)) if number == EVAL else 1
        for key, split, num_bytes in candidates:
            if total.examples[label] >= wanted:
                break
            if split != number and totals[split].examples[label] > 1 and key not in moved:
                moved[key] = number
                for place, step in ((totals[split], -1), (total, 1)):
                    place.examples[label] += step
                    place.num_bytes += step * num_bytes
    return moved


def _groups(hashes: dict[bytes, bytes]) -> dict[bytes, int]:
    """Numbers the connected groups of keys whose hashes differ in a few bits."""
    if len(hashes) < 2:
        return {}
    import numpy as np

    keys = sorted(hashes)
    table = np.frombuffer(b"".join(hashes[key] for key in keys), np.uint8).reshape(len(keys), -1)
    parent = list(range(len(keys)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for left, right in _near_pairs(table):
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    sizes = Counter(root(index) for index in range(len(keys)))
    numbers = {top: n for n, top in enumerate((t for t in sorted(sizes) if sizes[t] > 1), start=1)}
    return {key: numbers[root(index)] for index, key in enumerate(keys) if sizes[root(index)] > 1}


def _near_pairs(table: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Yields pairs of rows, of `(n, HASH_BYTES)`, that differ in at most `_NEAR_BITS` bits.

    Most are repeated. Rows that differ in fewer bits than there are bands have an equal band, so
    that sorting by it makes them neighbours. Of rows that differ in a few more bits, most do as
    well.
    """
    import numpy as np

    ones = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint16)
    bands = table.view(">u2")
    for band in range(_BANDS):
        others = (np.arange(1, _BANDS) + band) % _BANDS
        order = np.lexsort((*(bands[:, other] for other in others[::-1]), bands[:, band]))
        for distance in range(1, _NEIGHBOURS + 1):
            left, right = order[:-distance], order[distance:]
            alike = bands[left, band] == bands[right, band]
            left, right = left[alike], right[alike]
            near = ones[table[left] ^ table[right]].sum(axis=1) <= _NEAR_BITS
            yield from zip(left[near].tolist(), right[near].tolist(), strict=True)
