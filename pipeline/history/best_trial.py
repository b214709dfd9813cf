"""What a hyper-parameter search came to, as TFX's Tuner writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BestTrial:
    """The trial whose settings were trained with."""

    score: float
    """Its accuracy or loss over the eval split, whichever was searched for."""
    num_trials: int
    """Trials that ended well, itself among them."""
    hyperparameters: dict[str, Any]
    """Its values and the space, as `trainer.tuning.values` reads them."""


def read_best_trial(best_hyperparameters: Path, tuner_results: Path) -> BestTrial:
    """Reads the files of the two artifacts.

    Args:
        best_hyperparameters: folder of Tuner's output of that name.
        tuner_results: folder of Tuner's output of that name, the best trial first.
    """
    results = _only_file(tuner_results)
    return BestTrial(
        score=results[0]["score"],
        num_trials=len(results),
        hyperparameters=_only_file(best_hyperparameters),
    )


def _only_file(folder: Path) -> Any:
    [path] = folder.iterdir()
    return json.loads(path.read_text(encoding="utf-8"))
