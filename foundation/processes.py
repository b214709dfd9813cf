"""Child processes that do not outlive the process that started them."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent ends
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec is no time to load libraries


def end_with_parent(parent_pid: int) -> None:
    """Has the kernel kill this process when its parent ends, in whatever way that happens.

    Call it in the child, first of all; as `preexec_fn` of `subprocess.Popen` for a program that
    knows nothing of it. The kernel takes the thread that started the child for its parent: that
    thread has to last as long as the child is needed.

    Args:
        parent_pid: the parent's process number. A parent that has ended before this call is not
            noticed otherwise.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
