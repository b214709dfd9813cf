"""Reads whether a model was blessed and pushed, and explains why in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.canary.result import CanaryResult, read_canary_result
from components.evaluator.metrics import ACCURACY
from components.evaluator.results.bounds import REPORT_ONLY, miss_in_words
from components.evaluator.results.next_steps import network_of, next_steps
from components.evaluator.results.values import BASELINE_NAME, Bound, Evaluation
from components.report.facts import Verdict
from components.report.sources import Sources


def read_verdict(
    sources: Sources,
    evaluation: Evaluation,
    bounds: Sequence[Bound],
) -> Verdict:
    """Combines the decisions of Evaluator, Canary and Pusher."""
    trial = read_canary_result(sources.canary) if sources.canary is not None else None
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
        next_steps=()
        if blessed
        else next_steps(
            [bound for bound in all_bounds if not bound.kept],
            evaluation.breeds,
            network_of(sources.about),
            served_badly=trial is not None and bool(trial.misses),
        ),
    )


def _headline(
    sources: Sources, blessed: bool, trial: CanaryResult | None, bounds: Sequence[Bound]
) -> str:
    num_missed = sum(not bound.kept for bound in bounds)
    missed = "a bound was missed" if num_missed == 1 else f"{num_missed} bounds were missed"
    if blessed:
        version = sources.pushed_version
        pushed = ", not pushed" if version is None else f" and pushed as version {version}"
        return f"Blessed{pushed}" + (f", although {missed}" if num_missed else "")
    if trial is not None and trial.misses:
        return "Refused by the trial in a model server"
    return f"Refused: {missed}"


def _about_bounds(
    blessed: bool, trial: CanaryResult | None, bounds: Sequence[Bound]
) -> Iterator[str]:
    if blessed:
        yield REPORT_ONLY if any(not bound.kept for bound in bounds) else "Every bound was kept."
    # The canary's misses are worded already.
    latency = trial.latency if trial is not None else None
    yield from (
        _sentence(miss_in_words(bound))
        for bound in bounds
        if not bound.kept and bound is not latency
    )
    if trial is not None:
        yield from map(_sentence, trial.misses)


def _about_trial(sources: Sources, trial: CanaryResult | None) -> Iterator[str]:
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
