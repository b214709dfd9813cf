"""The interface of step runners, a runner in child processes, and reasons of failed steps."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from foundation.exit_codes import ExitCode
from foundation.processes import end_with_parent
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.step.step_lines import MILESTONE_LINE, PROGRESS_LINE, reason_in
from pipeline.kubeflow.step.uris import MOUNTS_VARIABLE, READ_ONLY_VARIABLE
from trainer.training.history import PROGRESS_LOGGER

TAIL_LINES = 12
"""Number of a log's last lines that are kept to be shown."""


@dataclass(frozen=True)
class Mount:
    """A local folder, mounted at a path that the step sees."""

    path: str
    folder: Path
    read_only: bool = False


@dataclass(frozen=True)
class StepEnd:
    """How a step ended."""

    exit_code: int
    tail: tuple[str, ...]
    """Last lines of its output."""
    timed_out: bool = False
    out_of_memory: bool = False
    """Whether the container engine reports that memory was the reason."""


class StepRunner(Protocol):
    """Runs steps."""

    name: str
    """What steps run in, for messages."""

    def run(
        self,
        task: Task,
        command: Sequence[str],
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        log_path: Path,
    ) -> StepEnd:
        """Runs a step to its end and appends its output to the log.

        `command` includes the arguments; `environment` holds the step's secrets.
        """


class StepFailedError(Exception):
    """A step failed, retries included.

    Args:
        node: the node.
        reason: why, in words.
        tail: last lines of its output; empty if the reason says it all.
    """

    def __init__(self, node: str, reason: str, tail: Sequence[str]) -> None:
        super().__init__(f"{node} failed: {reason}")
        self.node = node
        self.reason = reason
        self.tail = tail


class LogFollower:
    """Writes a step's lines to its log, and progress lines to the progress logger as well."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._progress = logging.getLogger(PROGRESS_LOGGER)

    def take(self, line: str) -> None:
        """Handles one line, with or without its line ending."""
        line = line.rstrip("\r\n")
        self._log.write(line + "\n")
        self._log.flush()
        for begin in (PROGRESS_LINE, MILESTONE_LINE):
            if line.startswith(begin):
                text = line.removeprefix(begin)
                self._progress.info("%s", text, extra={"milestone": begin == MILESTONE_LINE})
                return
        if line.strip():
            self._tail.append(line)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, without progress and empty ones."""
        return tuple(self._tail)


def is_explained(task: Task, end: StepEnd) -> bool:
    """Returns whether the step itself stated why it failed, so that its log adds nothing."""
    return end.exit_code == ExitCode.FAILED and reason_in(task.node, list(end.tail)) is not None


def why_failed(task: Task, end: StepEnd) -> str:
    """Returns the reason in words for which a step failed."""
    said = reason_in(task.node, list(end.tail))
    if end.timed_out:
        return f"it was stopped at its time limit of {task.time_limit_s:g} s"
    if end.out_of_memory:
        return f"it ran out of memory: its limit is {_memory_limit(task)}"
    if said is not None:
        return said
    if end.exit_code == ExitCode.KILLED:
        return (
            f"it was killed (exit code {end.exit_code}): there was not enough memory for it, or "
            f"someone killed it. Its limit on a cluster is {_memory_limit(task)}"
        )
    last = end.tail[-1] if end.tail else "it said nothing"
    return f"exit code {end.exit_code}: {last}"


def _memory_limit(task: Task) -> str:
    gigabytes = task.container.get("resources", {}).get("memoryLimit")
    return "none" if gigabytes is None else f"{gigabytes:.1f} GB"


class ChildProcesses:
    """A `StepRunner` that runs each step as a child process, with this Python.

    Only steps with the secret see the environment variables in `secret_variables`.
    """

    name = "child processes"

    def __init__(self, secret_variables: frozenset[str]) -> None:
        self._secret_variables = secret_variables

    def run(
        self,
        task: Task,
        command: Sequence[str],
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        log_path: Path,
    ) -> StepEnd:
        """See `StepRunner.run`."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in self._secret_variables
        }
        stand_ins = {mount.path: str(mount.folder) for mount in mounts}
        read_only = [mount.path for mount in mounts if mount.read_only]
        program, *arguments = command
        with log_path.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable if program in ("python", "python3") else program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={
                    **inherited,
                    **environment,
                    "PYTHONUNBUFFERED": "1",
                    MOUNTS_VARIABLE: json.dumps(stand_ins),
                    READ_ONLY_VARIABLE: json.dumps(read_only),
                },
                start_new_session=True,  # an interrupt reaches it through us alone
                preexec_fn=functools.partial(end_with_parent, os.getpid()),
            )
            timed_out = threading.Event()
            clock = threading.Timer(task.time_limit_s or 0, _stop, (process, timed_out))
            if task.time_limit_s is not None:
                clock.start()
            follower = LogFollower(log)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    follower.take(line)
                code = process.wait()
            finally:
                clock.cancel()
                _kill(process)
        # As in shells and Kubernetes: 128 plus the signal's number.
        code = 128 - code if code < 0 else code
        return StepEnd(code, follower.tail, timed_out=timed_out.is_set())


def _stop(process: subprocess.Popen[str], timed_out: threading.Event) -> None:
    timed_out.set()
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
