"""How good the model is within each slice that the configuration asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.metrics import ACCURACY, EXAMPLE_COUNT, SLICE_ACCURACY
from components.evaluator.results.bootstrap import share_interval
from components.evaluator.results.tfma import DIGITS, SliceResult
from components.report.facts import SliceRow
from trainer.preprocessing.features import BREED_KEY


def slice_rows(
    config: config_pb2.EvalConfig,
    slices: Mapping[tuple[tuple[str, str], ...], SliceResult],
    missed: frozenset[tuple[tuple[str, str], ...]],
) -> Iterator[SliceRow]:
    """Makes a row for each value of each feature, the breeds left out.

    Args:
        config: what TFMA was asked for, in whose order features come.
        slices: what was measured, by key of the slice.
        missed: keys of the slices that missed a bound.
    """
    bound, min_pictures = _bound(config)
    for spec in config.slicing_specs:
        if not spec.feature_keys or BREED_KEY in spec.feature_keys:
            continue
        [feature] = spec.feature_keys
        for key in sorted(key for key in slices if [part[0] for part in key] == [feature]):
            result = slices[key]
            num_eval = round(result.model.figures[EXAMPLE_COUNT])
            right = sum(
                count for (truth, named), count in result.model.confusion.items() if truth == named
            )
            yield SliceRow(
                feature=feature,
                value=key[0][1],
                num_eval=num_eval,
                accuracy=result.model.figures[ACCURACY],
                interval=share_interval(right, num_eval),
                baseline_accuracy=result.baseline.figures.get(ACCURACY),
                bound=bound if num_eval >= min_pictures else None,
                kept=key not in missed,
            )


def _bound(config: config_pb2.EvalConfig) -> tuple[float | None, int]:
    """Returns the lower bound, and how many pictures a slice must have to be held to it."""
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            options = json.loads(metric.config or "{}")
            if options.get("name") == SLICE_ACCURACY:
                threshold = metric.per_slice_thresholds[0].threshold
                bound = threshold.value_threshold.lower_bound.value
                return round(bound, DIGITS), options["min_pictures"]
    return None, 0
