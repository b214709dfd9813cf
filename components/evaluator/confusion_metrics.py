"""Custom TFMA metrics that are computed from the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    multi_class_confusion_matrices,
)
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.metrics import METRIC_BY_NAME, SLICE_ACCURACY, Cells

NO_THRESHOLD = 0.0
"""The top-1 breed counts however low its probability."""


class TableMetric(metric_types.Metric):
    """A metric that `metrics.METRICS` computes from the confusion matrix."""

    def __init__(self, name: str) -> None:
        super().__init__(metric_util.merge_per_key_computations(_table_metric), name=name)


class SliceAccuracy(metric_types.Metric):
    """The accuracy, or 1 where there are fewer than `min_pictures` images.

    TFMA applies its threshold to every slice and needs a value in each. Only the threshold uses
    this metric; reports show the accuracy itself.
    """

    def __init__(self, min_pictures: int, name: str = SLICE_ACCURACY) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_slice_accuracy),
            min_pictures=min_pictures,
            name=name,
        )


# TFMA reads from the signature which arguments to pass.
def _table_metric(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    compute = METRIC_BY_NAME[name].computed_by
    if not callable(compute):
        raise ValueError(f"{name} is not worked out of the confusion matrix")
    key = metric_types.MetricKey(name, model_name, output_name, example_weighted=example_weighted)
    return _computations(compute, key, eval_config)


def _slice_accuracy(
    min_pictures: int,
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    def compute(confusion: Cells) -> float:
        num_pictures = sum(confusion.values())
        right = sum(count for (truth, named), count in confusion.items() if truth == named)
        return right / num_pictures if num_pictures >= min_pictures else 1.0

    key = metric_types.MetricKey(name, model_name, output_name, example_weighted=example_weighted)
    return _computations(compute, key, eval_config)


def _computations(
    compute: Callable[[Cells], float],
    key: metric_types.MetricKey,
    eval_config: config_pb2.EvalConfig | None,
) -> metric_types.MetricComputations:
    matrices = multi_class_confusion_matrices(
        thresholds=[NO_THRESHOLD],
        eval_config=eval_config,
        model_name=key.model_name,
        output_name=key.output_name,
        example_weighted=key.example_weighted,
    )
    counted = matrices[-1].keys[-1]

    def result(metrics: dict[metric_types.MetricKey, Any]) -> dict[metric_types.MetricKey, float]:
        [entries] = metrics[counted].values()
        confusion = {
            (cell.actual_class_id, cell.predicted_class_id): count
            for cell, count in entries.items()
        }
        return {key: compute(confusion)}

    return [*matrices, metric_types.DerivedMetricComputation(keys=[key], result=result)]
