"""Reads what the conversion found odd about the images."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from components.report.facts import Audit, Finding, FoundFile
from ingestion.dataset import AUDIT_FILE, REJECTED_FILE, Dataset, load_dataset

_MOST_NAMED = 5  # files of each finding
_MEANINGS = {
    "contradictory": "the same bytes under several breeds",
    "copy": "byte for byte like others of its breed; kept on one side of the split",
    "near-copy": "almost like others; kept on one side of the split",
    "tiny": "a shorter side below 32 pixels",
    "dark": "nowhere brighter than a tenth of white",
    "blank": "a single colour all over",
    "rejected": "cannot be used",
}


def read_audit(records: Path) -> Audit:
    """Reads the audit beside the records.

    Raises:
        DatasetError: the records are gone or damaged.
        OSError: a table cannot be read.
    """
    dataset = load_dataset(records)
    named: defaultdict[str, list[FoundFile]] = defaultdict(list)
    for row in _rows(records / AUDIT_FILE):
        if len(named[row["finding"]]) < _MOST_NAMED:
            named[row["finding"]].append(FoundFile(row["file"], row["breed"], row["detail"]))
    counts = dict(dataset.findings)
    if dataset.num_rejected:
        counts["rejected"] = dataset.num_rejected
        for row in _rows(records / REJECTED_FILE):
            if len(named["rejected"]) < _MOST_NAMED:
                named["rejected"].append(FoundFile(row["file"], "", row["reason"]))
    return Audit(
        findings=tuple(
            Finding(name, _meaning(name, dataset), count, tuple(named[name]))
            for name, count in counts.items()
        ),
        left_out=tuple(sorted(dataset.left_out.items())),
        tables=tuple(str(records / name) for name in (AUDIT_FILE, REJECTED_FILE)),
    )


def _meaning(finding: str, dataset: Dataset) -> str:
    meaning = _MEANINGS.get(finding, "")
    if finding == "contradictory":
        kept = dataset.options.get("contradictory") == "keep"
        return f"{meaning}; {'kept, as was asked' if kept else 'left out'}"
    return meaning


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
