"""Says how records differ from those that were made of the same source before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from foundation.errors import DatasetError
from ingestion.dataset import DATASET_FILE, Dataset, load_dataset

_MOST_SHOWN = 10


def last_records_like(dataset: Dataset) -> Dataset | None:
    """Finds, beside a set, the last other one of the same source with the same options."""
    files = dataset.path.parent.glob(f"*/{DATASET_FILE}")
    for file in sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True):
        if file.parent == dataset.path:
            continue
        try:
            other = load_dataset(file.parent)
        except DatasetError:  # of an earlier version of dogbreed
            continue
        if _are_comparable(other, dataset):
            return other
    return None


def change(before: Dataset | None, after: Dataset) -> str:
    """Returns which pictures came and went by breed, in a line; empty if none or unknown."""
    if before is None or not _are_comparable(before, after):
        return ""
    counts = _counts(before), _counts(after)
    added, removed = counts[1] - counts[0], counts[0] - counts[1]
    parts = (_in_words(added, "added", before.labels), _in_words(removed, "removed", before.labels))
    return "; ".join(filter(None, parts))


def _are_comparable(before: Dataset, after: Dataset) -> bool:
    """Returns whether nothing but the source's content can have changed the number of pictures."""
    return (
        before.source == after.source
        and before.options == after.options
        and before.decisions == after.decisions
    )


def _counts(dataset: Dataset) -> Counter[str]:
    counts: Counter[str] = Counter()
    for split in dataset.splits.values():
        counts.update(split.examples_per_class)
    return counts


def _in_words(counts: Mapping[str, int], verb: str, known: tuple[str, ...]) -> str:
    total = sum(counts.values())
    if not total:
        return ""
    breeds = [
        f"{breed} {count}{'' if breed in known else ' (new)'}"
        for breed, count in sorted(counts.items())
    ]
    more = len(breeds) - _MOST_SHOWN
    listed = ", ".join(breeds[:_MOST_SHOWN]) + (f" and {more} more breeds" if more > 0 else "")
    return f"{total:,} {'picture' if total == 1 else 'pictures'} {verb}: {listed}"
