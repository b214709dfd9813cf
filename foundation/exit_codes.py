"""Exit codes of the commands and of the steps on a cluster."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a process ended; read by scripts, Kubeflow and rehearsals."""

    meaning: str
    """The same in words, as in the README."""

    DONE = 0, "done; after a run, the model was blessed and pushed"
    FAILED = (
        1,
        "something failed, or the Canary could not judge the model in time; one line says what, "
        "and where the log is",
    )
    USAGE = 2, "the command line or the configuration is wrong"
    NOT_BLESSED = 3, "the model missed a bound: it was not pushed, what was served stays"
    CRASHED = 70, "a step on Kubeflow met something unforeseen; its log has a stack trace"
    INTERRUPTED = 130, "interrupted"
    KILLED = 137, "killed: by the kernel for want of memory, or by hand"
    TERMINATED = 143, "stopped by SIGTERM, as when a pod is deleted"

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Creates a member: an int with a `meaning`."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
