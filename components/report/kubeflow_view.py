"""Builds what Kubeflow's UI shows of a run: figures and a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from components.evaluator.results.values import Confusion
from components.report.facts import ReportFacts

# The UI's matrix is 700 pixels wide with cells of at least 15; cells of 17 have room for counts.
_MOST_BREEDS = 40


def scalars(facts: ReportFacts) -> dict[str, float]:
    """Returns the finite figures by name."""
    evaluation, verdict = facts.evaluation, facts.verdict
    values: dict[str, float | None] = {
        "num_eval": evaluation.num_eval,
        "majority_accuracy": evaluation.majority.accuracy,
    }
    for figure in evaluation.figures:
        values[figure.name] = figure.value
        values[f"baseline_{figure.name}"] = figure.baseline
    values["ece"] = evaluation.calibration.ece
    values["baseline_ece"] = evaluation.calibration.baseline_ece
    values["latency_ms"] = next((each.value for each in verdict.bounds if each.unit == "ms"), None)
    values["blessed"] = int(verdict.blessed)
    values["pushed"] = int(verdict.pushed_version is not None)
    return {
        name: float(value)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }


def confusion_matrix(confusion: Confusion) -> dict[str, Any]:
    """Returns the matrix as `kfp.dsl.ClassificationMetrics` keeps it in its metadata.

    Only the 40 most confused breeds are kept. The others are not merged into one, because the
    colours are scaled to the largest count, beside which all would be pale.
    """
    shown = _most_confused(confusion.counts)
    return {
        "annotationSpecs": [{"displayName": confusion.breeds[label]} for label in shown],
        "rows": [{"row": [confusion.counts[truth][named] for named in shown]} for truth in shown],
    }


def _most_confused(counts: Sequence[Sequence[int]]) -> list[int]:
    """Returns the labels with most mistakes in their row and column, in label order."""
    labels = range(len(counts))
    mistakes = [
        sum(counts[label]) + sum(row[label] for row in counts) - 2 * counts[label][label]
        for label in labels
    ]
    worst = sorted(labels, key=lambda label: (-mistakes[label], label))
    return sorted(worst[:_MOST_BREEDS])
