"""From the configured bounds to TensorFlow Model Analysis's own configuration."""

from __future__ import annotations

import json
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from pipeline.config import EvaluatorConfig
from trainer.features import BREED_KEY, LABEL_KEY
from trainer.signatures import EVAL_SIGNATURE

ACCURACY = "accuracy"
"""Name of the accuracy in TFMA's results."""
TOP_5_ACCURACY = "top_5_accuracy"
"""Name of the top-5 accuracy in TFMA's results."""
LOSS = "loss"
"""Name of the cross-entropy in TFMA's results."""
BASELINE = "baseline"
"""Name of the served model in TFMA's results; the new one's is empty or `candidate`."""

_OVERALL = config_pb2.SlicingSpec()
_BY_BREED = config_pb2.SlicingSpec(feature_keys=[BREED_KEY])
_HAIR = 1e-6


def eval_config(bounds: EvaluatorConfig) -> config_pb2.EvalConfig:
    """Says what to measure, on which slices, and within which bounds.

    Metrics are computed over the whole eval split and within each breed.

    Args:
        bounds: the bounds to keep.
    """
    accuracy = _metric("SparseCategoricalAccuracy", name=ACCURACY)
    accuracy.per_slice_thresholds.append(
        _threshold(_OVERALL, bounds.min_accuracy, max_drop=bounds.max_accuracy_drop)
    )
    if bounds.min_breed_accuracy is not None:
        accuracy.per_slice_thresholds.append(_threshold(_BY_BREED, bounds.min_breed_accuracy))
    top_5_accuracy = _metric("SparseTopKCategoricalAccuracy", name=TOP_5_ACCURACY, k=5)
    top_5_accuracy.per_slice_thresholds.append(_threshold(_OVERALL, bounds.min_top_5_accuracy))
    return config_pb2.EvalConfig(
        # TFMA adds the baseline's by itself when there is one.
        model_specs=[config_pb2.ModelSpec(signature_name=EVAL_SIGNATURE, label_key=LABEL_KEY)],
        slicing_specs=[_OVERALL, _BY_BREED],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    _metric("SparseCategoricalCrossentropy", name=LOSS),
                    accuracy,
                    top_5_accuracy,
                ]
            )
        ],
    )


def _metric(class_name: str, **options: Any) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(class_name=class_name, config=json.dumps(options))


def _threshold(
    slices: config_pb2.SlicingSpec, lower_bound: float, *, max_drop: float | None = None
) -> config_pb2.PerSliceMetricThreshold:
    """A lower bound, and how far below the baseline a metric may be.

    The slices are always named, because TFMA applies a threshold without slices to all of them.
    """
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": lower_bound})
    )
    if max_drop is not None:
        threshold.change_threshold.CopyFrom(
            config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
                # TFMA wants a change above the bound: an equal one must pass, hence a hair below.
                absolute={"value": -max_drop - _HAIR},
            )
        )
    return config_pb2.PerSliceMetricThreshold(slicing_specs=[slices], threshold=threshold)
