"""Creates a destination folder atomically.

Work goes to a hidden folder beside the destination, which is renamed at the end. That holds against
errors, signals and kill -9; as files are not synced, a power failure within seconds of the end may
still lose the set.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType

from foundation.errors import DatasetError
from ingestion.dataset import DATASET_FILE


class Staging:
    """Context manager of the hidden folder of one conversion, locked against a second one."""

    def __init__(self, out: Path, overwrite: bool) -> None:
        self._out = out.absolute()
        self._overwrite = overwrite
        self.folder = self._out.with_name(f".{self._out.name}.partial")
        self._replaced = self._out.with_name(f".{self._out.name}.replaced")
        self._lock = -1

    def __enter__(self) -> Staging:
        """Creates the folder, or empties one left by a killed conversion.

        Raises:
            DatasetError: the destination cannot be written, exists, or is being written.
        """
        try:
            self._out.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(self._out) and self._replaced.exists():
                self._replaced.rename(self._out)  # killed between the two renames of `commit`
            self._check_destination()
            self._take_folder()
        except OSError as error:
            raise DatasetError(
                f"{self._out} cannot be written: {error.strerror} ({error.filename})."
            ) from error
        return self

    def commit(self) -> None:
        """Renames the folder to the destination.

        Raises:
            DatasetError: the destination was created meanwhile.
            OSError: the disk is gone.
        """
        self._check_destination()
        replace = self._out.exists() and any(self._out.iterdir())
        if replace:
            shutil.rmtree(self._replaced, ignore_errors=True)
            self._out.rename(self._replaced)
        self.folder.rename(self._out)
        if replace:
            shutil.rmtree(self._replaced, ignore_errors=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the folder unless it was committed, and releases the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _check_destination(self) -> None:
        if not os.path.lexists(self._out):
            return
        if not self._out.is_dir():
            raise DatasetError(f"{self._out} is a file: name a folder to be made.")
        if not any(self._out.iterdir()):
            return
        if not self._overwrite:
            raise DatasetError(
                f"{self._out} exists and is not empty: name another folder, or replace it with "
                "--overwrite."
            )
        if not (self._out / DATASET_FILE).is_file():
            raise DatasetError(
                f"{self._out} holds something else than a converted set ({DATASET_FILE} is "
                "missing), which --overwrite will not delete: remove it yourself."
            )

    def _take_folder(self) -> None:
        while True:
            self.folder.mkdir(exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise DatasetError(
                    f"{self._out} is being written by another conversion: wait for its end, or "
                    "name another folder."
                ) from None
            # Between our mkdir and our lock the folder may have been renamed or removed.
            if self.folder.exists() and os.path.samestat(os.fstat(self._lock), self.folder.stat()):
                break
            os.close(self._lock)
        for leftover in self.folder.iterdir():
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
