"""Reads whether a model was blessed and pushed, and explains why in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.evaluator.metrics import ACCURACY
from components.evaluator.results.bounds import miss_in_words
from components.evaluator.results.values import BASELINE_NAME, Bound, Evaluation
from components.report.facts import Verdict
from components.report.sources import Sources
from foundation.names import CANARY_RESULT_FILE


@dataclass(frozen=True)
class _Trial:
    misses: tuple[str, ...]
    latency: Bound | None
    """None where it was not measured."""


def read_verdict(
    sources: Sources,
    settings: Mapping[str, Any],
    evaluation: Evaluation,
    bounds: Sequence[Bound],
) -> Verdict:
    """Combines the decisions of Evaluator, Canary and Pusher."""
    trial = _read_trial(sources.canary, settings)
    all_bounds = (*bounds, *([trial.latency] if trial is not None and trial.latency else []))
    blessed = sources.blessed and not (trial is not None and trial.misses)
    return Verdict(
        blessed=blessed,
        pushed_version=sources.pushed_version,
        pushed_path=sources.pushed_path,
        headline=_headline(sources, blessed, trial, bounds),
        reasons=(
            *_about_bounds(blessed, trial, all_bounds),
            *_about_trial(sources, trial),
            *_about_baseline(sources, evaluation),
            *_about_push(sources, blessed),
        ),
        bounds=all_bounds,
    )


def _read_trial(folder: Path | None, settings: Mapping[str, Any]) -> _Trial | None:
    """Reads the canary's result; None where the Evaluator refused the model."""
    path = folder / CANARY_RESULT_FILE if folder is not None else None
    if path is None or not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    latency_ms = found["latency_ms"]
    # A result of an earlier version does not name its bound.
    bound_ms = found.get("max_latency_ms", settings["canary"]["max_latency_ms"])
    latency = None
    if latency_ms is not None:
        latency = Bound(
            title="Latency of 99 in 100 single pictures",
            value=latency_ms,
            bound=bound_ms,
            at_least=False,
            kept=latency_ms <= bound_ms,
            unit="ms",
        )
    return _Trial(tuple(found["misses"]), latency)


def _headline(
    sources: Sources, blessed: bool, trial: _Trial | None, bounds: Sequence[Bound]
) -> str:
    if sources.pushed_version is not None:
        return f"Blessed and pushed as version {sources.pushed_version}"
    if blessed:
        return "Blessed, not pushed"
    if trial is not None and trial.misses:
        return "Refused by the trial in a model server"
    missed = sum(not bound.kept for bound in bounds)
    return "Refused: a bound was missed" if missed == 1 else f"Refused: {missed} bounds were missed"


def _about_bounds(blessed: bool, trial: _Trial | None, bounds: Sequence[Bound]) -> Iterator[str]:
    if blessed:
        yield "Every bound was kept."
        return
    # The canary's misses are worded already.
    latency = trial.latency if trial is not None else None
    yield from (
        _sentence(miss_in_words(bound))
        for bound in bounds
        if not bound.kept and bound is not latency
    )
    if trial is not None:
        yield from map(_sentence, trial.misses)


def _about_trial(sources: Sources, trial: _Trial | None) -> Iterator[str]:
    if not sources.may_push:
        return
    if sources.canary is None:
        yield "It was not tried in a model server, because canary.enabled is false."
    elif trial is None:
        yield "It was not tried in a model server: only what is good enough is."
    elif not trial.misses:
        yield "Tried in a model server, it answered as it did in training, and in time."


def _about_baseline(sources: Sources, evaluation: Evaluation) -> Iterator[str]:
    if not sources.may_push:
        return  # the run neither compares nor pushes
    version = f", version {sources.served_version}," if sources.served_version else ""
    if sources.baseline is None:
        if sources.served_version is None:
            # Or the served one has the same recipe, and is no baseline.
            yield "There is no earlier model to compare with."
        else:
            yield (
                f"The {BASELINE_NAME}{version} names other breeds, so that the two cannot be "
                "compared."
            )
        return
    for figure in evaluation.figures:
        if figure.name == ACCURACY.name and figure.baseline is not None:
            yield (
                f"On the same eval pictures the {BASELINE_NAME}{version} has an accuracy of "
                f"{figure.baseline:.3f}, this one of {figure.value:.3f}."
            )


def _about_push(sources: Sources, blessed: bool) -> Iterator[str]:
    if not sources.may_push:
        yield (
            "Nothing was to be pushed, because pusher.enabled is false: the model was not compared "
            f"with the {BASELINE_NAME} either."
        )
    elif not blessed and sources.served_version is not None:
        yield f"It was not pushed: version {sources.served_version} stays the {BASELINE_NAME}."
    elif not blessed:
        yield "It was not pushed."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
