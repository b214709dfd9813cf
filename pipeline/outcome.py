"""What a run came to: read from the artifacts that its nodes left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx import types
from tfx.components.util import model_utils

from components.names import CANARY_LOG_FILE, CANARY_RESULT_FILE
from pipeline.best_trial import BestTrial, read_best_trial
from pipeline.evaluation import ACCURACY, BASELINE, LOSS, TOP_5_ACCURACY

Outputs = Mapping[str, list[types.Artifact]]
"""Output artifacts of one node by output name."""

_METRIC_IN_WORDS = {ACCURACY: "accuracy", TOP_5_ACCURACY: "top-5 accuracy"}


@dataclass(frozen=True)
class CanaryResult:
    """What came of the trial in a model server."""

    num_pictures: int
    """Eval pictures that were asked for."""
    latency_ms: float | None
    """Within how many milliseconds 99 of 100 single pictures were answered; None if it did not come
    to that."""
    misses: tuple[str, ...]
    """Each expectation that was disappointed, in words."""
    log_path: Path
    """The last that the model server wrote."""


@dataclass(frozen=True)
class Outcome:
    """The verdict on a model and what came of it. Accuracies are shares between 0 and 1."""

    num_eval_examples: int
    """Pictures in the eval split."""
    accuracy: float
    """Accuracy over the eval split."""
    top_5_accuracy: float
    """Share of pictures whose breed is among the five most probable."""
    loss: float
    """Mean cross-entropy in nats."""
    baseline_accuracy: float | None
    """Accuracy of the model that was served before; None on a first run, and where nothing is to be
    pushed."""
    blessed: bool
    """Whether every bound was kept, the canary's among them."""
    misses: tuple[str, ...]
    """Each bound that was missed, in words."""
    pushed_path: Path | None
    """Folder of the pushed version; None when nothing was pushed."""
    training_logs: Path
    """Folder of the training curves, for TensorBoard."""
    canary: CanaryResult | None = None
    """What the trial in a model server found; None where there was none."""
    best_trial: BestTrial | None = None
    """The trial whose settings were trained with; None where nothing was searched."""


def read_outcome(outputs: Mapping[str, Outputs]) -> Outcome:
    """Gathers the outcome of a run that has come to its end.

    Args:
        outputs: output artifacts of every node, by node and output name.
    """
    evaluation = outputs["Evaluator"]["evaluation"][0].uri
    canary = _canary(outputs.get("Canary"))
    candidate, baseline = _overall_metrics(evaluation)
    return Outcome(
        num_eval_examples=int(candidate["example_count"]),
        accuracy=candidate[ACCURACY],
        top_5_accuracy=candidate[TOP_5_ACCURACY],
        loss=candidate[LOSS],
        baseline_accuracy=baseline.get(ACCURACY),
        blessed=model_utils.is_model_blessed(outputs["Evaluator"]["blessing"][0])
        and not (canary and canary.misses),
        misses=(
            *_misses(tfma.load_validation_result(evaluation)),
            *(canary.misses if canary else ()),
        ),
        pushed_path=_pushed_path(outputs.get("Pusher")),
        training_logs=Path(outputs["Trainer"]["model_run"][0].uri),
        canary=canary,
        best_trial=_best_trial(outputs.get("Tuner")),
    )


def _canary(canary: Outputs | None) -> CanaryResult | None:
    """Reads what the canary found; it tries nothing that the Evaluator has refused."""
    if canary is None:
        return None
    folder = Path(canary["blessing"][0].uri)
    path = folder / CANARY_RESULT_FILE
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    return CanaryResult(
        num_pictures=found["num_pictures"],
        latency_ms=found["latency_ms"],
        misses=tuple(found["misses"]),
        log_path=folder / CANARY_LOG_FILE,
    )


def _best_trial(tuner: Outputs | None) -> BestTrial | None:
    if tuner is None:
        return None
    return read_best_trial(
        Path(tuner["best_hyperparameters"][0].uri), Path(tuner["tuner_results"][0].uri)
    )


def _pushed_path(pusher: Outputs | None) -> Path | None:
    """Reads where the model went; a run need not have a Pusher, which need not have pushed."""
    if pusher is None:
        return None
    destination = pusher["pushed_model"][0].get_string_custom_property("pushed_destination")
    return Path(destination) if destination else None


def _overall_metrics(evaluation: str) -> tuple[dict[str, float], dict[str, float]]:
    """Reads the metrics over the whole eval split, of the new model and of the baseline."""
    candidate: dict[str, float] = {}
    baseline: dict[str, float] = {}
    for record in tfma.load_metrics(evaluation):
        if record.slice_key.single_slice_keys:
            continue
        for metric in record.metric_keys_and_values:
            if not metric.key.is_diff:
                metrics = baseline if metric.key.model_name == BASELINE else candidate
                metrics[metric.key.name] = metric.value.double_value.value
    return candidate, baseline


def _misses(validation: validation_result_pb2.ValidationResult) -> Iterator[str]:
    for record in validation.metric_validations_per_slice:
        breeds = [key.bytes_value.decode() for key in record.slice_key.single_slice_keys]
        where = f" of {', '.join(breeds)}" if breeds else ""
        for failure in record.failures:
            metric = _METRIC_IN_WORDS.get(failure.metric_key.name, failure.metric_key.name) + where
            yield _miss_in_words(metric, failure)
    for details in validation.missing_slices:
        yield f"no eval picture for the bound on {', '.join(details.feature_keys)}"


def _miss_in_words(metric: str, failure: validation_result_pb2.ValidationFailure) -> str:
    value = failure.metric_value.double_value.value
    if failure.metric_key.is_diff:
        allowed = -failure.metric_threshold.change_threshold.absolute.value
        return (
            f"{metric} is {-value:.3f} lower than the served model's, "
            f"{-value - allowed:.3f} more than the {allowed:.3f} allowed"
        )
    bound = failure.metric_threshold.value_threshold.lower_bound.value
    return f"{metric} {value:.3f} misses its bound {bound:.3f} by {bound - value:.3f}"
