"""One run at a time below a root: two would write the same metadata."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import UserError

_FILE = ".lock"
_GLANCE_S = 0.05  # for longer than `held_since` looks


@contextmanager
def only_run_below(root: Path, *, option: str = "--set root=FOLDER") -> Iterator[None]:
    """Holds a lock on `root`, which is made where it is missing.

    Args:
        root: folder of everything a run keeps.
        option: what to type for another folder.

    Raises:
        UserError: another run holds it, or `root` cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / _FILE, os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        raise UserError(
            f"The run's folder {root} cannot be written: {error.strerror}. Name another with "
            f"{option}."
        ) from None
    try:
        try:
            _lock(lock)
        except BlockingIOError:
            raise UserError(
                f"Another run is at work in {root}. Wait for it, or name another folder with "
                f"{option}."
            ) from None
        os.utime(lock)  # since when it is held
        yield
    finally:
        os.close(lock)


def held_since(root: Path) -> float | None:
    """Says since when a run is at work in `root`, without getting in its way.

    Args:
        root: folder of everything a run keeps.

    Returns:
        Seconds since 1970; None where no run is at work, or where that cannot be seen.
    """
    try:
        lock = os.open(root / _FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.fstat(lock).st_mtime
    except OSError:  # a file system that knows no locks
        return None
    finally:
        os.close(lock)
    return None


def _lock(lock: int) -> None:
    """Takes the lock, twice if need be: who only looks may hold it for an instant."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_GLANCE_S)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
