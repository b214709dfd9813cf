"""A run whose model is good but badly served: what it says, and that it may be tried again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from foundation.errors import RunFailedError
from foundation.exit_codes import ExitCode
from foundation.names import FACTS_FILE
from ingestion.dataset import Dataset
from pipeline.cli.train.run import report_run
from pipeline.config.load import load_config
from pipeline.history.read_runs import read_history
from pipeline.history.record_names import State
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pipeline.conftest import tiny_settings

pytestmark = pytest.mark.slow


def _run(records: Dataset, root: Path, *overrides: str) -> tuple[FinishedRun, str, set[str]]:
    console = Console(file=io.StringIO(), width=160)
    settings = [*tiny_settings(root), "trainer.epochs=1", *overrides]
    config = load_config(None, settings, source=str(records.path))
    finished = run(config, console)
    report_run(config, finished, console)
    ran = {name for name, each in finished.display.nodes.items() if each is NodeStatus.RAN}
    return finished, console.file.getvalue(), ran  # type: ignore[attr-defined]


def test_refusal_is_told_and_tried_again_and_a_blessing_is_kept(
    records: Dataset, tmp_path: Path
) -> None:
    too_fast = "canary.max_latency_ms=0.001"

    finished, said, _ = _run(records, tmp_path, too_fast)

    assert not finished.outcome.blessed
    assert finished.outcome.pushed_path is None
    [miss] = finished.outcome.missed_bounds
    assert " ms of 99 in 100 single pictures misses its bound 0.001 ms by " in miss
    assert miss in said
    assert "Not blessed, not pushed" in said
    assert finished.outcome.canary is not None
    assert str(finished.outcome.canary.log_path) in said
    assert finished.outcome.canary.log_path.is_file()

    assert finished.report_path is not None
    verdict = json.loads((finished.report_path.parent / FACTS_FILE).read_text())["verdict"]
    assert verdict["headline"] == "Refused by the trial in a model server"
    assert f"{miss[:1].upper()}{miss[1:]}." in verdict["reasons"]

    assert _run(records, tmp_path, too_fast)[2] == {"Canary", "Pusher", "Report"}

    # A server that is too slow to be asked is a failure of the run, and no verdict.
    with pytest.raises(RunFailedError, match="Canary failed: the model was not judged") as raised:
        _run(records, tmp_path, "canary.start_timeout_s=0.01")
    assert "--set canary.start_timeout_s=SECONDS" in raised.value.reason
    assert raised.value.exit_code is ExitCode.FAILED
    past = read_history(tmp_path).runs[-1]
    assert (past.state, past.failed_node) == (State.FAILED, "Canary")

    finished, said, ran = _run(records, tmp_path, "canary.max_latency_ms=60000")
    assert ran == {"Canary", "Pusher", "Report"}
    assert finished.outcome.blessed
    assert finished.outcome.pushed_path is not None
    assert "at most 60,000 ms, for 99 of 100 single pictures" in said

    assert _run(records, tmp_path, "canary.max_latency_ms=60000")[2] == set()
