"""Configuration, DAG, runners and command line; docs/python.md shows their use in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.lazy import lazily

if TYPE_CHECKING:
    from pipeline.config.config import Config as Config
    from pipeline.config.load import load_config as load_config
    from pipeline.history.outcome import Outcome as Outcome
    from pipeline.local.run_pipeline import FinishedRun as FinishedRun
    from pipeline.local.run_pipeline import run as run

__getattr__ = lazily(
    __name__,
    {
        "Config": ".config.config",
        "FinishedRun": ".local.run_pipeline",
        "Outcome": ".history.outcome",
        "load_config": ".config.load",
        "run": ".local.run_pipeline",
    },
)
