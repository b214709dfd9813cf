"""Interface between a runner and whoever watches its nodes; free of TFX imports."""

from __future__ import annotations

import enum
from typing import Protocol


class NodeStatus(enum.Enum):
    """Status of a node; the value is its text for users."""

    WAITING = "waiting"
    RUNNING = "running"
    RAN = "ran"
    REUSED = "reused"
    FAILED = "failed"
    STOPPED = "stopped"


class RunObserver(Protocol):
    """Receives a runner's events."""

    def run_started(self, node_ids: list[str]) -> None:
        """Called before the first node; `node_ids` are in order of execution."""

    def node_started(self, node_id: str) -> None:
        """Called when a node starts."""

    def node_ended(self, node_id: str, status: NodeStatus, elapsed_s: float) -> None:
        """Called when a node ends."""


class NodeFailedError(Exception):
    """A node failed; the cause is chained."""

    def __init__(self, node_id: str) -> None:
        super().__init__(f"{node_id} failed")
        self.node_id = node_id
