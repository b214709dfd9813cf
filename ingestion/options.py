"""Options of a conversion, and its progress reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from foundation.errors import UsageError
from foundation.settings import Settings

LayoutName = Literal["auto", "folders", "prefix", "csv", "idx", "numbered"]
SplitName = Literal["content-hash", "every-5th"]

_FLAGS = {"max_rejected_share": "--max-rejected", "shorter_side_px": "--shorter-side"}
"""Flags that are shorter than the name of their field."""


def flag_of(field: str) -> str:
    """Returns the option of `dogbreed convert` for a field of `ConvertOptions`."""
    return _FLAGS.get(field, "--" + field.replace("_", "-"))


@dataclass(frozen=True)
class Progress:
    """A progress report of a running conversion."""

    stage: str
    """Name for display, such as "Converting pictures"."""
    done: int
    """Images done in this stage so far."""
    total: int | None
    """Images in this stage, or None if unknown."""
    rejected: int
    """Images rejected so far."""


class ConvertOptions(Settings):
    """Everything that decides what a conversion writes.

    Raises:
        pydantic.ValidationError: For unknown names and values out of range. `checked` says the
            same in one sentence.
    """

    layout: LayoutName = "auto"
    """How the source tells a picture's class: "folders" (a folder per class), "prefix" (file name
    up to its last underscore), "csv" (a table of id and label), "idx" (MNIST's files), "numbered"
    (numbered in class order), or "auto" to recognise it. Ignored for a `tfds:` source."""
    breeds: tuple[str, ...] = ()
    """Only these classes, by readable name or folder name, in any case. Empty means all."""
    exclude: tuple[str, ...] = ()
    """Not these classes."""
    per_breed: int | None = Field(default=None, ge=1)
    """At most this many pictures a class, drawn at random by `seed`. None means all."""
    split: SplitName = "content-hash"
    """How pictures are shared between training and evaluation. "content-hash": by the bytes of the
    picture, so that adding pictures moves none. "every-5th": every n-th picture of each class in
    the order of the source, n being 1 / eval_share, rounded. Copies and near-copies of a picture
    stay on one side in both."""
    eval_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the pictures that is kept for evaluation, in (0, 1)."""
    folds: int | None = Field(default=None, ge=2, le=10)
    """Write this many folds for cross-validation, 2 to 10, in place of train and eval."""
    shorter_side_px: int = Field(default=256, ge=8, le=8192)
    """Pictures are scaled down, never up, until their shorter side has this many pixels."""
    grayscale: bool = False
    """Store one grey channel in place of three colours."""
    shard_size: int | None = Field(default=None, ge=1)
    """Examples in each shard but the last. None means shards of about 100 MB."""
    seed: int = Field(default=0, ge=0)
    """Decides the order of the records, the content-hash split and the draw of `per_breed`."""
    contradictory: Literal["reject", "keep"] = "reject"
    """What becomes of pictures that stand under several classes, equal byte for byte: at most one
    of the labels is right, so they are left out unless this is "keep"."""
    decisions: Path | None = None
    """A CSV of decisions about single pictures, as `dogbreed review` writes it. Its column "file"
    names the picture as in the records, its column "decision" says keep, drop, relabel:BREED,
    new:BREED (for a breed that is not there yet) or nothing."""
    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """The conversion stops when more than this share of the pictures cannot be used."""
    min_train: int = Field(default=1, ge=0)
    """Fewest pictures that each class must have for training."""
    min_eval: int = Field(default=1, ge=0)
    """Fewest pictures that each class must have for evaluation (with folds: in every fold)."""
    small_classes: Literal["leave-out", "refuse"] = "leave-out"
    """What becomes of classes with too few pictures for `min_train` and `min_eval`: they take no
    part, or with "refuse" the conversion ends."""
    pictures_per_class: int = Field(default=80, ge=1)
    """Pictures in each class of a "numbered" source; Oxford flowers-17 has 80."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that decode pictures. None means one for each core."""
    overwrite: bool = False
    """Replace an earlier conversion at the destination."""

    @model_validator(mode="after")
    def _reject_contradictions(self) -> ConvertOptions:
        if self.split == "every-5th" and self.folds is not None:
            raise ValueError("folds are made by content-hash: drop --folds or --split every-5th")
        if self.split == "every-5th" and self.eval_share > 0.5:
            raise ValueError(
                f"every-5th takes every n-th picture, so an eval share of {self.eval_share:g} "
                "is more than it can give: use at most 0.5, or --split content-hash"
            )
        return self

    @classmethod
    def checked(cls, **values: Any) -> ConvertOptions:
        """Builds the options from user input: field names and values.

        Raises:
            UsageError: one sentence that names every wrong option.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            problems = []
            for problem in error.errors():
                field = ".".join(map(str, problem["loc"]))
                message = problem["msg"].removeprefix("Value error, ")
                if not problem["loc"]:
                    problems.append(message)
                    continue
                problems.append(f"{flag_of(field)}: {message} (received {problem['input']!r})")
            raise UsageError("; ".join(problems)) from None

    def recorded(self) -> dict[str, Any]:
        """Returns the options that affect the result, for dataset.json and fingerprints.

        Decisions are not among them: what counts is what stands in their file.
        """
        return self.model_dump(mode="json", exclude={"workers", "overwrite", "decisions"})
