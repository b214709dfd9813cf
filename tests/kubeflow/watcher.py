from __future__ import annotations

from pipeline.local.observer import NodeStatus


class Watcher:
    """Notes how nodes end."""

    def __init__(self) -> None:
        self.ended: dict[str, NodeStatus] = {}

    def run_started(self, node_ids: list[str]) -> None:
        self.ended = dict.fromkeys(node_ids, NodeStatus.WAITING)

    def node_started(self, node_id: str) -> None:
        self.ended[node_id] = NodeStatus.RUNNING

    def node_ended(self, node_id: str, status: NodeStatus, elapsed_s: float) -> None:
        self.ended[node_id] = status
