"""One run at a time below a root: two would write the same metadata."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError


@contextmanager
def only_run_below(root: Path) -> Iterator[None]:
    """Holds a lock on `root`, which is made where it is missing.

    Args:
        root: folder of everything a run keeps.

    Raises:
        UserError: another run holds it, or `root` cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / ".lock", os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        raise UserError(
            f"The run's folder {root} cannot be written: {error.strerror}. Name another with "
            "--set root=FOLDER."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run is at work in {root}. Wait for it, or name another folder with "
                "--set root=FOLDER."
            ) from None
        yield
    finally:
        os.close(lock)
