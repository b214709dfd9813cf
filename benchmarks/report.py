"""The report of a finished run, made again: seconds by part, and the size of the page.

Held against the goals of under 20 s for 4,000 eval pictures and under 15 MB. Beside them: how long
the Evaluator took for the same pictures, which the report leans on instead of asking the model
again.

Usage: python benchmarks/report.py ROOT [--rounds 3]
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ml_metadata.proto import metadata_store_pb2
from rich.console import Console
from rich.table import Table
from tfx.orchestration import metadata
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.types import Artifact

from components.report.component import (
    REPORT_FILE,
    Report,
    RunClassification,
    RunMetrics,
    RunReport,
)

_GOAL_S = 20.0
_GOAL_PICTURES = 4_000
_GOAL_MB = 15.0
_TIMING = re.compile(r"Report: (?P<part>.+) took (?P<seconds>[\d.]+) s")
_Execution = metadata_store_pb2.Execution


class _Timings(logging.Handler):
    """Keeps what the report says of its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if found := _TIMING.match(record.getMessage()):
            self.seconds[found["part"]] = float(found["seconds"])


def main() -> None:
    """Makes the report again and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="root of a finished run")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts")
    arguments = parser.parse_args()
    connection = metadata.sqlite_metadata_connection_config(str(arguments.root / "metadata.sqlite"))
    with metadata.Metadata(connection) as handle:
        report = _last(handle, "Report")
        inputs = execution_lib.get_input_artifacts(handle, report.id)
        evaluator = _last(handle, "Evaluator")
    evaluator_s = (
        evaluator.last_update_time_since_epoch - evaluator.create_time_since_epoch
    ) / 1000
    properties = {name: value.string_value for name, value in report.custom_properties.items()}
    rounds = [_make(inputs, properties) for _ in range(arguments.rounds)]
    seconds, parts, size, num_eval = min(rounds, key=lambda made: made[0])

    console = Console()
    table = Table("Part", "s", box=None, pad_edge=False)
    for part, part_s in parts.items():
        table.add_row(part, f"{part_s:.2f}")
    table.add_row("all", f"{seconds:.2f}")
    console.print(table)
    goal_s = _GOAL_S * num_eval / _GOAL_PICTURES
    console.print(
        f"{num_eval:,} eval pictures: {seconds / goal_s:.2f} of the {goal_s:.0f} s that the goal "
        f"allows for as many, {seconds / evaluator_s:.2f} of the Evaluator's {evaluator_s:.0f} s"
    )
    console.print(f"{size / 1e6:.1f} MB: {size / 1e6 / _GOAL_MB:.2f} of {_GOAL_MB:.0f} MB")


def _last(handle: metadata.Metadata, node: str) -> metadata_store_pb2.Execution:
    """Finds the last execution of a node that was run, not reused."""
    found = [
        execution
        for execution in handle.store.get_executions()
        if execution.last_known_state == _Execution.COMPLETE and _node_of(handle, execution) == node
    ]
    if not found:
        raise SystemExit(f"No {node} has run below this root. Make a run first: dogbreed run.")
    return found[-1]


def _node_of(handle: metadata.Metadata, execution: metadata_store_pb2.Execution) -> str:
    return next(
        context.name.rpartition(".")[2]
        for context in handle.store.get_contexts_by_execution(execution.id)
        if context.type == "node"
    )


def _make(
    inputs: dict[str, list[Artifact]], properties: dict[str, Any]
) -> tuple[float, dict[str, float], int, int]:
    """Makes the report once: seconds in all and by part, bytes of the page, eval pictures."""
    timings = _Timings()
    logging.getLogger().handlers = [timings]
    logging.getLogger().setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        outputs: dict[str, list[Artifact]] = {}
        for name, kind in {
            "report": RunReport,
            "metrics": RunMetrics,
            "classification": RunClassification,
        }.items():
            artifact = kind()
            artifact.uri = str(Path(folder, name))
            outputs[name] = [artifact]
        executor = Report.EXECUTOR_SPEC.executor_class()
        started_at = time.monotonic()
        executor.Do(inputs, outputs, dict(properties))
        seconds = time.monotonic() - started_at
        size = Path(outputs["report"][0].uri, REPORT_FILE).stat().st_size
    num_eval = int(outputs["metrics"][0].get_float_custom_property("num_eval"))
    return seconds, timings.seconds, size, num_eval


if __name__ == "__main__":
    main()
