"""The live table, whose nodes run one after the other here and side by side on a cluster."""

from __future__ import annotations

import io
import logging
import re
import time

import pytest
from rich.console import Console

from pipeline.local.display import RunDisplay
from pipeline.local.observer import NodeStatus
from trainer.training.history import PROGRESS_LOGGER


def _rows(display: RunDisplay) -> dict[str, str]:
    console = Console(file=io.StringIO(), width=100)
    console.print(display.table())
    lines = console.file.getvalue().splitlines()[1:]  # type: ignore[attr-defined]
    return {line.split()[0]: re.sub(r"[\u2800-\u28ff]", "*", line) for line in lines}


def test_nodes_that_run_side_by_side_each_have_their_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    display = RunDisplay(Console(file=io.StringIO()))
    display.run_started(["Schema", "Trainer", "Pusher"])
    with display:
        display.node_started("Schema")
        now[0] += 7
        display.node_started("Trainer")
        now[0] += 5
        logging.getLogger(PROGRESS_LOGGER).info("epoch 1/2")
        rows = _rows(display)
        display.node_ended("Schema", NodeStatus.RAN, 12.5)
        ended = _rows(display)

    assert re.fullmatch(r"Schema +\* +12 *", rows["Schema"])
    assert re.fullmatch(r"Trainer +\* +5 +epoch 1/2 *", rows["Trainer"])
    assert re.fullmatch(r"Pusher +waiting *", rows["Pusher"])
    assert re.fullmatch(r"Schema +ran +12\.5 *", ended["Schema"])
    assert re.fullmatch(r"Trainer +\* +5 +epoch 1/2 *", ended["Trainer"])
