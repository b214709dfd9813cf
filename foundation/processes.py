"""Child processes that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent ends
_LIBC = ctypes.CDLL(None)  # loaded here, because nothing should be loaded between fork and exec


def end_with_parent(parent_pid: int) -> None:
    """Makes the kernel kill this process when its parent ends, for whatever reason.

    Call it first in the child, or as `preexec_fn` of `subprocess.Popen`. The kernel treats the
    thread that started the child as its parent: it has to live as long as the child is needed.
    `parent_pid` is needed to notice a parent that ended before this call.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
