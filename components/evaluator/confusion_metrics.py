"""A metric of our own for TFMA: an accuracy that a handful of pictures cannot spoil."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    multi_class_confusion_matrices,
)
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.metrics import SLICE_ACCURACY

NO_THRESHOLD = 0.0
"""How probable the most probable breed must be to count: never mind how little."""


class SliceAccuracy(metric_types.Metric):
    """The accuracy, or 1 where there are too few pictures to tell.

    TFMA holds each slice to its bound, and asks for a value in each. The number to show for a
    slice is the accuracy itself.

    Args:
        min_pictures: fewest pictures whose accuracy counts.
        name: the metric's name.
    """

    def __init__(self, min_pictures: int, name: str = SLICE_ACCURACY) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_slice_accuracy),
            min_pictures=min_pictures,
            name=name,
        )


def _slice_accuracy(
    min_pictures: int,
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    """Derives the metric from the confusion matrix, which is counted anyway."""
    matrices = multi_class_confusion_matrices(
        thresholds=[NO_THRESHOLD],
        eval_config=eval_config,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )
    counted = matrices[-1].keys[-1]
    key = metric_types.MetricKey(
        name=name,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )

    def result(metrics: dict[metric_types.MetricKey, Any]) -> dict[metric_types.MetricKey, float]:
        [entries] = metrics[counted].values()
        num_pictures = sum(entries.values())
        right = sum(
            count
            for cell, count in entries.items()
            if cell.actual_class_id == cell.predicted_class_id
        )
        return {key: right / num_pictures if num_pictures >= min_pictures else 1.0}

    return [*matrices, metric_types.DerivedMetricComputation(keys=[key], result=result)]
