"""Runs steps as child processes, where there is no container engine.

A container's paths do not exist here: the step's entry point is told which folders stand for them.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.kubeflow.rehearsal.steps import LogFollower, Mount, StepEnd
from pipeline.kubeflow.rehearsal.tasks import Task
from pipeline.kubeflow.step.uris import MOUNTS_VARIABLE, READ_ONLY_VARIABLE

_PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent ends
_LIBC = ctypes.CDLL(None)


class ChildProcesses:
    """Runs each step as a child of this process, with this Python.

    Args:
        secret_variables: environment variables that only steps with their secret may see.
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
                preexec_fn=_end_with_parent,
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
        # As a shell and Kubernetes count: 128 and the signal's number.
        code = 128 - code if code < 0 else code
        return StepEnd(code, follower.tail, timed_out=timed_out.is_set())


def _stop(process: subprocess.Popen[str], timed_out: threading.Event) -> None:
    timed_out.set()
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kills a step and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_with_parent() -> None:
    """Runs in the child: it gets SIGKILL when the parent ends, in whatever way."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
