"""Reads a run's results from the artifacts of its nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.utils import path_utils

from components.canary.result import CanaryResult, read_canary_result
from components.evaluator.metrics import EXAMPLE_COUNT, METRICS, Figures
from components.evaluator.results.bounds import miss_in_words, read_bounds
from components.evaluator.results.next_steps import network_of, next_steps
from components.evaluator.results.tables import breed_rows, dense, majority_class
from components.evaluator.results.tfma import load_slices
from components.evaluator.results.values import Bound, MajorityClass
from components.report.dataset_statistics import train_counts
from foundation.names import PUSHED_BEFORE_PROPERTY
from foundation.versions import read_about


@dataclass(frozen=True)
class BestTrial:
    """The search's best trial, whose settings the training used."""

    score: float
    """Its accuracy or loss over the eval split, the search's objective."""
    num_trials: int
    """Successful trials, including this one."""
    hyperparameters: dict[str, Any]
    """Values and space, as `trainer.tuning.values` reads them."""


def read_best_trial(best_hyperparameters: Path, tuner_results: Path) -> BestTrial:
    """Reads the best trial from Tuner's two output folders; the results list the best one first."""
    results = _only_file(tuner_results)
    return BestTrial(
        score=results[0]["score"],
        num_trials=len(results),
        hyperparameters=_only_file(best_hyperparameters),
    )


def _only_file(folder: Path) -> Any:
    [path] = folder.iterdir()
    return json.loads(path.read_text(encoding="utf-8"))


Outputs = Mapping[str, list[types.Artifact]]
"""Output artifacts of one node by output name."""


@dataclass(frozen=True)
class Outcome:
    """Verdict on a model and its metrics."""

    num_eval_examples: int
    figures: Figures
    """Every metric over the eval split."""
    majority: MajorityClass
    baseline: Figures
    """Metrics of the previously served model; empty on a first run or without a push."""
    blessed: bool
    """Whether all bounds were met, the canary's included; or its alone, where the Evaluator only
    reports."""
    missed_bounds: tuple[str, ...]
    """Each missed bound, as a message."""
    next_steps: tuple[str, ...]
    """What to do about a refused model, as sentences."""
    pushed_path: Path | None
    """Folder of the pushed version; None if nothing was pushed."""
    pushed_before: bool
    """Whether that version was there already, pushed by an earlier run."""
    training_logs: Path
    """Folder of the training curves, for TensorBoard."""
    canary: CanaryResult | None = None
    """None where there was no trial."""
    best_trial: BestTrial | None = None
    """None where nothing was searched."""


def read_outcome(outputs: Mapping[str, Outputs]) -> Outcome:
    """Reads the outcome of a finished run from output artifacts by node and output name."""
    evaluation = outputs["Evaluator"]["evaluation"][0].uri
    canary = None
    if "Canary" in outputs:
        canary = read_canary_result(Path(outputs["Canary"]["blessing"][0].uri))
    slices = load_slices(evaluation)
    overall = slices[()]
    bounds = read_bounds(evaluation)
    blessed = model_utils.is_model_blessed(outputs["Evaluator"]["blessing"][0]) and not (
        canary and canary.misses
    )
    return Outcome(
        num_eval_examples=round(overall.model.figures[EXAMPLE_COUNT]),
        figures=_of_table(overall.model.figures),
        majority=majority_class(slices),
        baseline=_of_table(overall.baseline.figures),
        blessed=blessed,
        missed_bounds=(
            *(miss_in_words(bound) for bound in bounds if not bound.kept),
            *(canary.misses if canary else ()),
        ),
        next_steps=() if blessed else _next_steps(outputs, bounds, canary),
        pushed_path=_pushed_path(outputs.get("Pusher")),
        pushed_before=_pushed_before(outputs.get("Pusher")),
        training_logs=Path(outputs["Trainer"]["model_run"][0].uri),
        canary=canary,
        best_trial=_best_trial(outputs.get("Tuner")),
    )


def _next_steps(
    outputs: Mapping[str, Outputs], bounds: Sequence[Bound], canary: CanaryResult | None
) -> tuple[str, ...]:
    about = read_about(Path(path_utils.serving_model_path(outputs["Trainer"]["model"][0].uri)))
    breeds = about["breeds"]
    slices = load_slices(outputs["Evaluator"]["evaluation"][0].uri)
    rows = breed_rows(
        breeds,
        train_counts(outputs["StatisticsGen"]["statistics"][0].uri, breeds),
        dense(slices[()].model.confusion, len(breeds)),
        None,
    )
    missed = [bound for bound in bounds if not bound.kept]
    latency = [canary.latency] if canary and canary.latency and not canary.latency.kept else []
    return next_steps(
        [*missed, *latency], rows, network_of(about), served_badly=bool(canary and canary.misses)
    )


def _of_table(figures: Figures) -> Figures:
    return {metric.name: figures[metric.name] for metric in METRICS if metric.name in figures}


def _best_trial(tuner: Outputs | None) -> BestTrial | None:
    if tuner is None:
        return None
    return read_best_trial(
        Path(tuner["best_hyperparameters"][0].uri), Path(tuner["tuner_results"][0].uri)
    )


def _pushed_path(pusher: Outputs | None) -> Path | None:
    """Reads where the model was pushed, if there was a Pusher and it pushed."""
    if pusher is None:
        return None
    destination = pusher["pushed_model"][0].get_string_custom_property("pushed_destination")
    return Path(destination) if destination else None


def _pushed_before(pusher: Outputs | None) -> bool:
    if pusher is None:
        return False
    return bool(pusher["pushed_model"][0].get_int_custom_property(PUSHED_BEFORE_PROPERTY))
