"""What a runner tells of the nodes it runs; free of TFX imports."""

from __future__ import annotations

import enum
from typing import Protocol


class NodeStatus(enum.Enum):
    """What became of a node; the value is how people read it."""

    WAITING = "waiting"
    RUNNING = "running"
    RAN = "ran"
    REUSED = "reused"
    FAILED = "failed"
    STOPPED = "stopped"


class RunObserver(Protocol):
    """What a runner tells while it works."""

    def run_started(self, node_ids: list[str]) -> None:
        """The nodes `node_ids` will run, in this order."""

    def node_started(self, node_id: str) -> None:
        """`node_id` begins."""

    def node_ended(self, node_id: str, status: NodeStatus, elapsed_s: float) -> None:
        """`node_id` has ended as `status` after `elapsed_s` seconds."""


class NodeFailedError(Exception):
    """A node did not end well; the cause is chained.

    Args:
        node_id: the node.
    """

    def __init__(self, node_id: str) -> None:
        super().__init__(f"{node_id} failed")
        self.node_id = node_id
