"""Errors that end a command with one line instead of a stack trace."""

from __future__ import annotations

import textwrap
from pathlib import Path

from foundation.exit_codes import ExitCode


class UserError(Exception):
    """An error that the user can correct; the message says what is wrong, where, and what to do."""

    exit_code = ExitCode.FAILED
    """How a command ends on it."""


class UsageError(UserError):
    """The command line or the configuration is wrong."""

    exit_code = ExitCode.USAGE


class DatasetError(UserError):
    """A source of pictures or a destination of records that cannot be used."""


class RunFailedError(UserError):
    """Raised if a node of the pipeline failed; `log_path` is the file with the full log."""

    def __init__(self, node_id: str, reason: str, log_path: Path) -> None:
        super().__init__(f"{node_id} failed: {reason}\nThe whole story is in {log_path}.")
        self.node_id = node_id
        self.reason = reason
        self.log_path = log_path


_LONGEST_LINE = 600  # characters: some libraries quote the data that they could not read


def root_cause(error: BaseException) -> str:
    """Returns the root cause of an error in one line, with its type unless the error is ours.

    That is the first `UserError` on the way down, because its sentence says what to do; what it was
    raised from says less.
    """
    cause: BaseException = error
    while not isinstance(cause, UserError) and (
        deeper := cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    ):
        cause = deeper
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if not lines:
        return type(cause).__name__
    # Our own messages are complete sentences; a foreign one needs its type.
    package = type(cause).__module__.partition(".")[0]
    ours = package in ("components", "foundation", "pipeline", "trainer")
    line = textwrap.shorten(lines[0], _LONGEST_LINE, placeholder=" ...")
    return line if ours else f"{type(cause).__name__}: {line}"
