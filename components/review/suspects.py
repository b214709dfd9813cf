"""Lists images whose label is doubtful, the most doubtful first."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.evaluator.results.label_errors import (
    NO_LABEL,
    dense_probabilities,
    find_label_errors,
)
from ingestion.dataset import AUDIT_FILE, Dataset
from ingestion.decisions import DECISION_COLUMN, FILE_COLUMN, Decision

if TYPE_CHECKING:
    from components.evaluator.results.answer_table import AnswerTable

_NUM_GUESSES = 3
# Of equal files under two breeds, one label is wrong; a dark picture may be labelled rightly.
_SCORES = {"contradictory": 0.75, "near-copy": 0.6, "blank": 0.5, "dark": 0.3, "tiny": 0.2}
"""How likely the label is wrong, by what the audit found; copies of one breed are in order."""

LABEL_ERROR, UNLIKE = "label error", "unlike any breed"
"""Kinds of suspects beside those of the audit."""


@dataclass(frozen=True)
class Reason:
    """Why an image is suspected."""

    kind: str
    sentence: str


@dataclass
class Suspect:
    """An image whose label is doubtful."""

    file_name: str
    """As in the records."""
    breed: str
    """Its label."""
    reasons: list[Reason] = field(default_factory=list)
    suggested: str = ""
    """The breed that the model believes instead; empty where it believes none."""
    score: float = 0.0
    """How doubtful the label is, from 0 to 1."""
    guesses: tuple[tuple[str, float], ...] = ()
    """The most probable breeds; empty where the model was not asked."""
    decision: Decision | None = None
    """What was decided, but not applied yet."""

    @property
    def reason(self) -> str:
        """All reasons as one sentence."""
        return "; ".join(reason.sentence for reason in self.reasons)


def list_suspects(
    dataset: Dataset, tables: Iterable[AnswerTable], decided: Mapping[str, Decision]
) -> list[Suspect]:
    """Lists what the model and the audit doubt, the most doubtful first.

    Args:
        dataset: the records, with their audit.
        tables: answers of models that have not seen the images, each image at most once.
        decided: by file name: decisions that the records follow already. Whoever took them is
            not asked again.
    """
    suspects: dict[str, Suspect] = {}
    _add_doubted(suspects, dataset.labels, list(tables))
    for file_name, breed, kind, sentence in _audited(dataset.path / AUDIT_FILE):
        suspect = suspects.setdefault(file_name, Suspect(file_name, breed))
        suspect.reasons.append(Reason(kind, sentence))
        suspect.score = max(suspect.score, _SCORES[kind])
    return sorted(
        (each for each in suspects.values() if each.reasons and each.file_name not in decided),
        key=lambda each: (-each.score, each.file_name),
    )


def _add_doubted(
    suspects: dict[str, Suspect], breeds: Sequence[str], tables: list[AnswerTable]
) -> None:
    """Adds every image that has a name and an answer, with a reason where it is doubtful."""
    if not tables:
        return
    labels = np.concatenate([table.labels for table in tables]).astype(np.int64)
    probabilities = np.concatenate([dense_probabilities(table, len(breeds)) for table in tables])
    errors = find_label_errors(labels, probabilities)
    names = [name for table in tables for name in table.filenames]
    for place, name in enumerate(names):
        if not name:  # nobody could say what to do with it
            continue
        suspect = Suspect(
            name, breeds[labels[place]], guesses=_guesses(probabilities[place], breeds)
        )
        suspects[name] = suspect
        if errors.suggested[place] != NO_LABEL:
            suspect.suggested = breeds[errors.suggested[place]]
            sentence = f"the model takes it for {suspect.suggested}"
            suspect.reasons.append(Reason(LABEL_ERROR, sentence))
        elif errors.unlike[place]:
            suspect.reasons.append(Reason(UNLIKE, "the model finds it unlike any breed"))
        if suspect.reasons:
            suspect.score = round(float(errors.doubt[place]), 4)


def _guesses(
    probabilities: NDArray[np.float64], breeds: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    best = np.argsort(-probabilities, kind="stable")[:_NUM_GUESSES]
    return tuple((breeds[label], float(probabilities[label])) for label in best)


def _audited(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yields file, breed, kind and sentence of what bears on a label, or on using the image."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    breeds_alike: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["finding"] == "near-copy":
            breeds_alike[row["detail"]].add(row["breed"])
    for row in rows:
        kind, sentence = row["finding"], row["detail"]
        if kind == "near-copy":
            others = sorted(breeds_alike[sentence] - {row["breed"]})
            if not others:
                continue
            sentence = f"it looks like a picture of {', '.join(others)}"
        if kind in _SCORES:
            yield row["file"], row["breed"], kind, sentence


def write_suspects(
    path: Path, suspects: Iterable[Suspect], earlier: Mapping[str, Decision]
) -> None:
    """Writes a row for each suspect, to be decided upon, and below them what was decided before.

    With these the file alone says all that the next conversion has to know.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((FILE_COLUMN, "label", "suspected", "reason", "score", DECISION_COLUMN))
        for each in suspects:
            table.writerow(
                (
                    each.file_name, each.breed, each.suggested, each.reason, f"{each.score:.4f}",
                    each.decision or "",
                )
            )  # fmt: skip
        for file_name, decision in earlier.items():
            table.writerow((file_name, "", "", "decided before", "", decision))
