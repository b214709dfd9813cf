"""Assigns images to splits, and defines the order of the records."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

from foundation.errors import DatasetError

if TYPE_CHECKING:  # spares the workers importing pydantic
    from ingestion.options import ConvertOptions

TRAIN, EVAL = 0, 1


def split_names(options: ConvertOptions) -> tuple[str, ...]:
    """Returns the names of the splits' folders; a split's number is its index."""
    if options.folds is not None:
        return tuple(f"fold-{index}" for index in range(options.folds))
    return ("train", "eval")


def eval_step(options: ConvertOptions) -> int:
    """Returns n for a split that puts every n-th image of a class into eval."""
    return max(2, round(1 / options.eval_share))


def least_eval_share(options: ConvertOptions) -> float:
    """Returns the share of a class that eval must have, whatever was left out of it.

    Source system 1 asks for 18 % where it keeps every 5th image.
    """
    return 0.9 / eval_step(options) if options.split == "every-5th" else 0


def split_by_position(position: int, step: int) -> int:
    """Returns the split of the image at a position within its class, from 0.

    The first of each `step` images goes to eval, so that even a small class has one there.
    """
    return EVAL if position % step == 0 else TRAIN


def split_by_content(digest: bytes, seed: int, eval_share: float, folds: int | None) -> int:
    """Returns the split of an image by the hash of its file alone.

    Copies of an image thus share a split, and adding images moves none. `seed` selects one of many
    such splits, `folds` is None for train and eval.
    """
    # A uniform number in [0, 1), as exact as a float can hold.
    place = int.from_bytes(_keyed(digest, seed, b"split")[:6], "big") / (1 << 48)
    if folds is not None:
        return int(place * folds)
    return EVAL if place < eval_share else TRAIN


def order_key(digest: bytes, seed: int) -> bytes:
    """Returns a 16-byte sort key: a shuffle that depends on content and seed alone."""
    return _keyed(digest, seed, b"order")


def check_classes(
    labels: tuple[str, ...],
    examples: tuple[Counter[int], ...],
    options: ConvertOptions,
) -> None:
    """Checks that every class has enough images, given their number by label for each split.

    Raises:
        DatasetError: one sentence with the classes that have too few, and what to do.
    """
    problems = [
        problem
        for label, name in enumerate(labels)
        if (problem := _problem(name, [counts[label] for counts in examples], options))
    ]
    if problems:
        more = f" and {len(problems) - 3} more classes" if len(problems) > 3 else ""
        advice = (
            "add pictures, lower --min-train or --min-eval, or leave the class out with --exclude"
            if options.split == "every-5th"
            else "add pictures, try another --seed, or take --split every-5th"
        )
        raise DatasetError(f"{'; '.join(problems[:3])}{more}: {advice}.")


def _problem(name: str, counts: list[int], options: ConvertOptions) -> str:
    total = sum(counts)
    parts = list(enumerate(counts)) if options.folds else [(EVAL, counts[EVAL])]
    for index, num_eval in parts:
        side = f"in fold-{index}" if options.folds else "for evaluation"
        if num_eval < options.min_eval:
            return (
                f"{name} has {num_eval} of {total} pictures {side}, fewer than {options.min_eval}"
            )
        if total - num_eval < options.min_train:
            return (
                f"{name} has {total - num_eval} of {total} pictures for training, "
                f"fewer than {options.min_train}"
            )
    return ""


def _keyed(digest: bytes, seed: int, purpose: bytes) -> bytes:
    return blake2b(digest, digest_size=16, key=b"%s/%d" % (purpose, seed)).digest()
