"""Reads the bounds that the Evaluator checked, and the measured values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.writers import eval_config_writer

from components.evaluator.metrics import (
    ACCURACY,
    EXAMPLE_COUNT,
    EXAMPLE_COUNT_CLASS,
    HAIR,
    METRIC_BY_NAME,
    SLICE_ACCURACY,
)
from components.evaluator.results.robustness import robustness_bounds
from components.evaluator.results.tfma import DIGITS, SliceResult, load_slices, slice_key
from components.evaluator.results.values import BASELINE_NAME, Bound
from trainer.preprocessing.features import BREED_KEY

DROP_TITLE = f"Drop against the {BASELINE_NAME}"
"""Title of the bound on the drop of the accuracy below the served model's."""

REPORT_ONLY = "evaluator.report_only is true: what was missed is shown, and refuses nothing."
"""What is said where a model is blessed although it missed a bound."""


def miss_in_words(bound: Bound) -> str:
    """Says by how much a bound was missed, as a clause that begins in lower case."""
    title = f"{bound.title[:1].lower()}{bound.title[1:]}"
    if bound.value is None:
        return f"there is no eval picture for the bound on {title}"
    if bound.title == DROP_TITLE:
        return (
            f"accuracy is {bound.value:.3f} lower than the {BASELINE_NAME}'s, "
            f"{bound.missed_by:.3f} more than the {bound.bound:.3f} allowed"
        )
    value, limit, missed_by = (
        _with_unit(number, bound.unit) for number in (bound.value, bound.bound, bound.missed_by)
    )
    return f"{title} {value} misses its bound {limit} by {missed_by}"


def _with_unit(number: float, unit: str) -> str:
    return f"{number:,.1f} {unit}" if unit else f"{number:.3f}"


Failure = tuple[str, bool, tuple[tuple[str, str], ...]]
"""Metric name, whether its change was too large, and the slice."""


def read_bounds(evaluation: Path | str) -> tuple[Bound, ...]:
    """Reads the bounds in the order of the configuration, kept or missed as TFMA decided.

    Those on robustness, which is not TFMA's, come last.

    Of a bound on slices, every miss is listed, or the value nearest to one if all kept it. A bound
    on the change is listed only where there is a baseline.
    """
    config, *_ = eval_config_writer.load_eval_run(str(evaluation))
    slices = load_slices(evaluation)
    failures = _failures(evaluation)
    of_tfma = (
        bound
        for spec in config.metrics_specs
        for metric in spec.metrics
        if metric.class_name != EXAMPLE_COUNT_CLASS
        for each in metric.per_slice_thresholds
        for slicing in each.slicing_specs
        for bound in _bounds(metric, each.threshold, list(slicing.feature_keys), slices, failures)
    )
    return (*of_tfma, *robustness_bounds(evaluation))


def _failures(evaluation: Path | str) -> set[Failure]:
    validation = tfma.load_validation_result(str(evaluation))
    return {
        (failure.metric_key.name, failure.metric_key.is_diff, slice_key(record.slice_key))
        for record in validation.metric_validations_per_slice
        for failure in record.failures
    }


def _bounds(
    metric: config_pb2.MetricConfig,
    threshold: config_pb2.MetricThreshold,
    features: list[str],
    slices: Mapping[tuple[tuple[str, str], ...], SliceResult],
    failures: set[Failure],
) -> Iterator[Bound]:
    options = json.loads(metric.config)
    name = options["name"]
    if threshold.HasField("value_threshold"):
        lower_bound = round(threshold.value_threshold.lower_bound.value + HAIR, DIGITS)
        if features:
            yield from _within(features[0], name, lower_bound, options, slices, failures)
        else:
            value = slices[()].model.figures[name]
            kept = (name, False, ()) not in failures
            setting = f"evaluator.{METRIC_BY_NAME[name].bound}"
            yield Bound(_title(name), value, lower_bound, True, kept, setting=setting)
    if threshold.HasField("change_threshold") and not features and name in slices[()].changes:
        allowed = round(-threshold.change_threshold.absolute.value - HAIR, DIGITS)
        drop = 0 - slices[()].changes[name]
        kept = (name, True, ()) not in failures
        setting = "evaluator.max_accuracy_drop"
        yield Bound(DROP_TITLE, drop, allowed, at_least=False, kept=kept, setting=setting)


def _within(
    feature: str,
    name: str,
    lower_bound: float,
    options: Mapping[str, Any],
    slices: Mapping[tuple[tuple[str, str], ...], SliceResult],
    failures: set[Failure],
) -> Iterator[Bound]:
    """Lists the misses within a feature's values, or the value nearest to one."""
    found = [each for key, each in slices.items() if [part[0] for part in key] == [feature]]
    held = sorted(
        (each.model.figures[name], each.key)
        for each in found
        if each.model.figures[EXAMPLE_COUNT] >= options.get("min_pictures", 1)
    )
    kind = "breed" if feature == BREED_KEY else feature
    setting = f"evaluator.min_{'breed' if feature == BREED_KEY else 'slice'}_accuracy"
    title = _title(name)
    misses = [
        Bound(f"{title} of {slice_in_words(key)}", value, lower_bound, True, False, setting=setting)
        for value, key in held
        if (name, False, key) in failures
    ]
    if misses:
        yield from misses
    elif held:
        value, [(_, named)] = held[0]
        weakest = f"{title} of the weakest {kind}, {named}"
        yield Bound(weakest, value, lower_bound, at_least=True, kept=True, setting=setting)
    else:
        # TFMA takes the bound for missed if there is no slice; slices that are too small keep it.
        each = f"{title} of each {kind}"
        yield Bound(each, None, lower_bound, True, kept=bool(found), setting=setting)


def _title(name: str) -> str:
    return ACCURACY.title if name == SLICE_ACCURACY else METRIC_BY_NAME[name].title


def slice_in_words(key: tuple[tuple[str, str], ...]) -> str:
    """Names a slice: a breed by its name, others by feature and value."""
    return ", ".join(
        value if feature == BREED_KEY else f"{feature} {value}" for feature, value in key
    )
