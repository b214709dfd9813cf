"""The facts of a report for programs: figures and words, no pictures.

Keys are those of `components.report.facts`, and stay.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from components.report.facts import ReportFacts

FORMAT = 1
"""Number of the format; another one means that keys have changed."""


def facts_json(facts: ReportFacts) -> str:
    """Writes the facts as JSON."""
    verdict = dataclasses.asdict(facts.verdict)
    for bound, written in zip(facts.verdict.bounds, verdict["bounds"], strict=True):
        written["missed_by"] = bound.missed_by
    evaluation = dataclasses.asdict(facts.evaluation)
    written_facts: dict[str, Any] = {
        "format": FORMAT,
        "title": facts.title,
        "created_at": facts.created_at,
        "verdict": verdict,
        "num_eval": evaluation["num_eval"],
        "figures": {each.pop("name"): each for each in evaluation["figures"]},
        "breeds": evaluation["breeds"],
        "slices": evaluation["slices"],
        "confusion": evaluation["confusion"],
        "calibration": evaluation["calibration"],
        "training": {
            "network": facts.training.network,
            "num_parameters": facts.training.num_parameters,
            "epochs": [dataclasses.asdict(each) for each in facts.training.epochs],
        },
        "data": dataclasses.asdict(facts.data),
        "provenance": {
            **dataclasses.asdict(facts.provenance),
            "facts": dict(facts.provenance.facts),
            "commands": dict(facts.provenance.commands),
        },
        "pairs": [
            {"truth": pair.truth, "named": pair.named, "count": pair.count, "share": pair.share}
            for pair in facts.pairs
        ],
    }
    return json.dumps(_finite(written_facts), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """Puts null for what JSON has no number for, such as the loss of a certain and wrong answer."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
