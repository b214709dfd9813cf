"""Reads TFMA's results as plain values, one object for each slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from components.evaluator.metrics import BASELINE

DIGITS = 6
"""Digits of a bound as configured: TFMA's own is off by `HAIR`, so that equal values pass."""


@dataclass(frozen=True)
class Measured:
    """Results of one model within a slice."""

    figures: dict[str, float] = field(default_factory=dict)
    confusion: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class SliceResult:
    """Results within a slice."""

    key: tuple[tuple[str, str], ...]
    """Feature and value; empty for the whole eval split."""
    model: Measured
    baseline: Measured
    """Empty where there is no baseline."""
    changes: dict[str, float]
    """The model's figures less the baseline's; empty where there is no baseline."""


def load_slices(evaluation: Path | str) -> dict[tuple[tuple[str, str], ...], SliceResult]:
    """Reads TFMA's metrics of an evaluation, by slice key."""
    results = {}
    for record in tfma.load_metrics(str(evaluation)):
        result = SliceResult(slice_key(record.slice_key), Measured(), Measured(), {})
        for metric in record.metric_keys_and_values:
            name, value = metric.key.name, metric.value
            measured = result.baseline if metric.key.model_name == BASELINE else result.model
            kind = value.WhichOneof("type")
            if kind == "double_value":
                figures = result.changes if metric.key.is_diff else measured.figures
                figures[name] = value.double_value.value
            elif kind == "multi_class_confusion_matrix_at_thresholds" and not metric.key.is_diff:
                [matrix] = value.multi_class_confusion_matrix_at_thresholds.matrices
                measured.confusion.update(
                    (
                        (cell.actual_class_id, cell.predicted_class_id),
                        round(cell.num_weighted_examples),
                    )
                    for cell in matrix.entries
                )
        results[result.key] = result
    return results


def slice_key(key: metrics_for_slice_pb2.SliceKey) -> tuple[tuple[str, str], ...]:
    """Returns the features and values of a slice as text."""
    return tuple((single.column, _text(single)) for single in key.single_slice_keys)


def _text(single: Any) -> str:
    value = getattr(single, single.WhichOneof("kind"))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
