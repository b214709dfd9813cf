"""`dataset.json`, the description of a converted set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foundation.errors import DatasetError

DATASET_FILE = "dataset.json"
LABELS_FILE = "labels.txt"
REJECTED_FILE = "rejected.csv"
AUDIT_FILE = "audit.csv"
DECISIONS_FILE = "decisions.csv"
SCHEMA_FILE = "schema.pbtxt"
FORMAT_VERSION = 2
"""Increased when the same input gives other records, so that old sets are not reused."""

_SHOWN = 5  # names in a line


class SplitInfo(BaseModel):
    """One folder of shards."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    num_examples: int
    """Number of examples in all shards."""
    num_shards: int
    """Number of files."""
    examples_per_class: dict[str, int]
    """Number of examples by readable name of the class."""


class AppliedDecisions(BaseModel):
    """What decisions about single pictures came to; decisions.csv has them all."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    relabelled: int
    """Pictures that were moved to another breed."""
    dropped: int
    """Pictures that were left out."""
    kept: int
    """Pictures whose breed was confirmed."""
    unmatched: tuple[str, ...]
    """Files that were decided upon, but are not in the source."""

    @property
    def in_words(self) -> str:
        """Such as `3 relabelled, 1 dropped, 2 kept by decision`."""
        words = (
            f"{self.relabelled} relabelled, {self.dropped} dropped, {self.kept} kept by decision"
        )
        if not self.unmatched:
            return words
        more = len(self.unmatched) - _SHOWN
        return (
            f"{words}; decisions without a picture of that name: "
            f"{', '.join(self.unmatched[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"
        )


class Dataset(BaseModel):
    """A converted set."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    format_version: int = FORMAT_VERSION
    """Version of the records' content."""
    source: str
    """The source as the user named it."""
    layout: str
    """The layout that was recognised, or "tfds"."""
    labels: tuple[str, ...]
    """Readable names of the classes, sorted; the place is the integer label."""
    splits: dict[str, SplitInfo]
    """By folder: "train" and "eval", or "fold-0" and so on."""
    num_rejected: int
    """Pictures that could not be used; rejected.csv says why."""
    left_out: dict[str, int]
    """Pictures of the classes that had too few to be split, by readable name."""
    findings: dict[str, int]
    """What is odd about the pictures, and about how many files; audit.csv names them."""
    decisions: AppliedDecisions | None = None
    """What was decided about single pictures; None where nobody did."""
    shorter_side_px: int
    """No picture's shorter side is longer."""
    fingerprint: str
    """SHA-256 over the labels and all shards: two sets with the same one are the same."""
    source_fingerprint: str
    """What `source_fingerprint.source_fingerprint` said when the set was made."""
    options: dict[str, Any]
    """Every option that decides the result."""
    path: Path = Field(default=Path(), exclude=True)
    """Where the set was loaded from; not recorded."""

    def shards(self, split: str) -> list[Path]:
        """Returns the shard files of a split, in order."""
        num_shards = self.splits[split].num_shards
        return [
            self.path / split / f"data-{index:05}-of-{num_shards:05}.tfrecord"
            for index in range(num_shards)
        ]


def damaged_shard(dataset: Dataset) -> Path | None:
    """Reads all shards and returns the first that is damaged or cut short."""
    from ingestion.records import read_records

    for split in dataset.splits:
        for shard in dataset.shards(split):
            try:
                for _ in read_records(shard):
                    pass
            except (DatasetError, OSError):
                return shard
    return None


def load_dataset(path: Path) -> Dataset:
    """Reads the description of a converted set and sets its `path`.

    Raises:
        DatasetError: the folder holds no converted set, a damaged or incomplete one, or one of
            another version.
    """
    file = path / DATASET_FILE
    try:
        dataset = Dataset.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"{path} holds no converted set ({DATASET_FILE} is missing): make it with "
            "`dogbreed convert`."
        ) from None
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise DatasetError(
            f"{file} is damaged or of another version ({error.error_count()} problems): convert "
            "the pictures again."
        ) from error
    if dataset.format_version != FORMAT_VERSION:
        raise DatasetError(
            f"{path} was made by another version of dogbreed (format {dataset.format_version}, "
            f"expected {FORMAT_VERSION}): convert the pictures again."
        )
    dataset = dataset.model_copy(update={"path": path})
    for split in dataset.splits:
        missing = [shard.name for shard in dataset.shards(split) if not shard.is_file()]
        if missing:
            raise DatasetError(
                f"{path / split} lacks {missing[0]}: it was not copied whole; copy it or convert "
                "the pictures again."
            )
    return dataset
