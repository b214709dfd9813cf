"""Locks: one run at a time per root, and one push at a time to a folder of versions.

Two runs would write the same metadata.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import UserError

_FILE = ".lock"
_PUSH_FILE = ".push.lock"  # not a number, so no model server looks at it
_GLANCE_S = 0.05  # longer than `held_since` holds the lock


@contextmanager
def only_run_below(root: Path, *, option: str = "--set root=FOLDER") -> Iterator[None]:
    """Holds an exclusive lock on `root`, the folder of runs, which is created if missing.

    Raises:
        UserError: another run holds the lock, or `root` cannot be written; advises to set `option`.
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
        os.utime(lock)  # read by `held_since`
        yield
    finally:
        os.close(lock)


@contextmanager
def only_push_to(base_path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a folder of versions, which is created if missing.

    Waits for another push, which takes seconds; that of a killed process is released.

    Raises:
        OSError: the folder cannot be written.
    """
    base_path.mkdir(parents=True, exist_ok=True)
    lock = os.open(base_path / _PUSH_FILE, os.O_RDWR | os.O_CREAT)  # NFS wants it writable
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            logging.warning("%s is on a disk without locks: %s", base_path, error.strerror)
        yield
    finally:
        os.close(lock)


def held_since(root: Path) -> float | None:
    """Returns since when a run has held the lock of `root`, in seconds since 1970.

    Returns None where no run is active, or where that cannot be determined.
    """
    try:
        lock = os.open(root / _FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.fstat(lock).st_mtime
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(lock)
    return None


def _lock(lock: int) -> None:
    """Takes the lock, with one retry: `held_since` may hold it for an instant."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_GLANCE_S)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
