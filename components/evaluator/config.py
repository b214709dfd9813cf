"""Converts the configured bounds to TensorFlow Model Analysis's configuration."""

from __future__ import annotations

import json
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.confusion_metrics import NO_THRESHOLD, SliceAccuracy, TableMetric
from components.evaluator.metrics import (
    ACCURACY,
    CALIBRATION,
    CALIBRATION_BINS,
    CONFUSION,
    EXAMPLE_COUNT_CLASS,
    HAIR,
    METRICS,
    SLICE_ACCURACY,
    Metric,
    TfmaClass,
)
from components.evaluator.settings import EvaluatorConfig
from trainer.export.signature_names import EVAL_SIGNATURE
from trainer.preprocessing.features import BREED_KEY, LABEL_KEY

_OVERALL = config_pb2.SlicingSpec()
_BY_BREED = config_pb2.SlicingSpec(feature_keys=[BREED_KEY])


def eval_config(bounds: EvaluatorConfig) -> config_pb2.EvalConfig:
    """Returns the metrics, slices and thresholds for TFMA.

    Metrics are computed over the whole eval split, within each breed and within each value of each
    feature in `slices`.
    """
    count = config_pb2.MetricConfig(class_name=EXAMPLE_COUNT_CLASS)
    # TFX blesses nothing without a threshold, and all others may be switched off.
    count.per_slice_thresholds.append(_threshold(_OVERALL, 1))
    metrics = [
        count,
        *(_of_table(metric, bounds) for metric in METRICS),
        # In a slice it has few entries: one row in a breed's.
        _metric("MultiClassConfusionMatrixAtThresholds", name=CONFUSION, thresholds=[NO_THRESHOLD]),
    ]
    slices = [config_pb2.SlicingSpec(feature_keys=[feature]) for feature in bounds.slices]
    if slices and bounds.min_slice_accuracy is not None:
        slice_accuracy = _own_metric(
            SliceAccuracy, name=SLICE_ACCURACY, min_pictures=bounds.min_slice_pictures
        )
        slice_accuracy.per_slice_thresholds.extend(
            _threshold(each, bounds.min_slice_accuracy) for each in slices
        )
        metrics.append(slice_accuracy)
    return config_pb2.EvalConfig(
        # TFMA adds the baseline's by itself when there is one.
        model_specs=[config_pb2.ModelSpec(signature_name=EVAL_SIGNATURE, label_key=LABEL_KEY)],
        slicing_specs=[_OVERALL, _BY_BREED, *slices],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=metrics),
            config_pb2.MetricsSpec(
                # Of the top-1 breed: is it as often correct as it is probable?
                binarize=config_pb2.BinarizationOptions(k_list={"values": [1]}),
                metrics=[
                    _metric("CalibrationPlot", name=CALIBRATION, num_buckets=CALIBRATION_BINS)
                ],
            ),
        ],
    )


def _of_table(metric: Metric, bounds: EvaluatorConfig) -> config_pb2.MetricConfig:
    if isinstance(metric.computed_by, TfmaClass):
        tfma = metric.computed_by
        config = _metric(tfma.class_name, name=metric.name, **tfma.options)
    else:
        config = _own_metric(TableMetric, name=metric.name)
    lower_bound = getattr(bounds, metric.bound) if metric.bound is not None else None
    max_drop = bounds.max_accuracy_drop if metric is ACCURACY else None
    if lower_bound is not None or max_drop is not None:
        config.per_slice_thresholds.append(_threshold(_OVERALL, lower_bound, max_drop=max_drop))
    if metric is ACCURACY and bounds.min_breed_accuracy is not None:
        config.per_slice_thresholds.append(_threshold(_BY_BREED, bounds.min_breed_accuracy))
    return config


def _own_metric(kind: type, **options: Any) -> config_pb2.MetricConfig:
    config = _metric(kind.__name__, **options)
    config.module = kind.__module__
    return config


def _metric(class_name: str, **options: Any) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(class_name=class_name, config=json.dumps(options))


def _threshold(
    slices: config_pb2.SlicingSpec, lower_bound: float | None, *, max_drop: float | None = None
) -> config_pb2.PerSliceMetricThreshold:
    """Returns a lower bound and the largest drop below the baseline, either of them if not None.

    Slices are always named, because TFMA applies a threshold without slices to all of them.
    """
    threshold = config_pb2.MetricThreshold()
    if lower_bound is not None:
        threshold.value_threshold.lower_bound.value = lower_bound - HAIR
    if max_drop is not None:
        threshold.change_threshold.CopyFrom(
            config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
                absolute={"value": -max_drop - HAIR},
            )
        )
    return config_pb2.PerSliceMetricThreshold(slicing_specs=[slices], threshold=threshold)
