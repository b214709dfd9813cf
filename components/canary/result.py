"""Reads the Canary's result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.evaluator.results.values import Bound
from foundation.names import CANARY_LOG_FILE, CANARY_RESULT_FILE


@dataclass(frozen=True)
class CanaryResult:
    """Result of the trial in a model server."""

    num_pictures: int
    """Eval images that were sent."""
    latency: Bound | None
    """Bound on the 99th percentile of the latency of single images; None if not measured."""
    misses: tuple[str, ...]
    """Each failed check, as a message."""
    log_path: Path
    """The log of the model server."""


def read_canary_result(folder: Path) -> CanaryResult | None:
    """Reads the Canary's output; None where the Evaluator refused the model before."""
    path = folder / CANARY_RESULT_FILE
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    latency_ms, bound_ms = found["latency_ms"], found["max_latency_ms"]
    return CanaryResult(
        num_pictures=found["num_pictures"],
        latency=None
        if latency_ms is None
        else Bound(
            title="Latency of 99 in 100 single pictures",
            value=latency_ms,
            bound=bound_ms,
            at_least=False,
            kept=latency_ms <= bound_ms,
            unit="ms",
            setting="canary.max_latency_ms",
        ),
        misses=tuple(found["misses"]),
        log_path=folder / CANARY_LOG_FILE,
    )
