"""Errors that end a command with one clear line instead of a stack trace."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """Something the user can put right; the message says what, where and how."""


class RunFailedError(UserError):
    """A node did not end well.

    Args:
        node_id: the node.
        reason: why, in one line.
        log_path: where the whole story is.
    """

    def __init__(self, node_id: str, reason: str, log_path: Path) -> None:
        super().__init__(f"{node_id} failed: {reason}\nThe whole story is in {log_path}.")
        self.node_id = node_id
        self.reason = reason
        self.log_path = log_path
