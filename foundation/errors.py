"""Errors that end a command with one clear line instead of a stack trace."""

from __future__ import annotations

from pathlib import Path


class DatasetError(Exception):
    """A source, an option or a destination that cannot be used.

    The message is one sentence for the person at the terminal: what is wrong, where, and what to
    do about it. It never needs a traceback to be understood.
    """


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


def root_cause(error: BaseException) -> str:
    """Finds the first cause, and shortens what libraries made of it to a line or two."""
    cause: BaseException = error
    while deeper := cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__):
        cause = deeper
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if not lines:
        return type(cause).__name__
    # Our own errors are whole sentences; of a foreign one the kind is half the information.
    package = type(cause).__module__.partition(".")[0]
    ours = package in ("components", "foundation", "pipeline", "trainer")
    return lines[0] if ours else f"{type(cause).__name__}: {lines[0]}"
