"""Reads ML Metadata from a copy, so that readers do not disturb a run."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from foundation.errors import UserError
from pipeline.history.record_names import METADATA_FILE

# Modification times tick every few milliseconds: a change within a tick would not show.
_QUIET_S = 0.02
_ATTEMPTS = 100


@contextlib.contextmanager
def metadata_below(root: Path) -> Iterator[metadata_store.MetadataStore]:
    """Opens a copy of a root's metadata.

    In place, SQLite would take locks that a run has to wait for, and could not read an unfinished
    transaction of a killed run or a read-only disk.

    Raises:
        UserError: there is no store, or it cannot be read.
    """
    path = root / METADATA_FILE
    if not path.is_file() or path.stat().st_size == 0:
        raise UserError(
            f"No run is recorded in {root}: it has no {METADATA_FILE}. Name the folder of a run "
            "with --root."
        )
    with tempfile.TemporaryDirectory(prefix="dogbreed-") as scratch:
        copy = Path(scratch, METADATA_FILE)
        _copy(path, copy)
        try:
            yield open_store(copy)
        except (errors.StatusError, RuntimeError) as error:
            raise UserError(f"{path} cannot be read: {reason_of(error)}") from error


def open_store(path: Path) -> metadata_store.MetadataStore:
    """Opens a store for reading and writing."""
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(path)
    connection.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.ConnectionMode.READWRITE
    )
    return metadata_store.MetadataStore(connection)


def reason_of(error: Exception) -> str:
    """Shortens an error of the store to SQLite's message, without the SQL."""
    text = " ".join(str(error).split())
    for known, words in _IN_WORDS.items():
        if known in text:
            return words
    return text.split(" query:")[0].strip().rstrip(":.") + "."


_IN_WORDS = {
    "file is not a database": "it is not a metadata store, or it is damaged.",
    "malformed": "it is damaged.",
    "disk I/O error": "the disk gave an error.",
    "database or disk is full": "the disk is full.",
    "readonly database": "it is read-only.",
    "locked": "another program is writing to it.",
}


def _copy(path: Path, copy: Path) -> None:
    """Copies the database and its journal as of one moment.

    SQLite needs the journal to undo an unfinished transaction.
    """
    journal, copied_journal = (each.with_name(f"{each.name}-journal") for each in (path, copy))
    for _ in range(_ATTEMPTS):
        began_at, before = time.time(), _state(path, journal)
        copied_journal.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(journal, copied_journal)
        shutil.copyfile(path, copy)
        changed_at = max(each[1] for each in before if each is not None) / 1e9
        if before == _state(path, journal) and abs(began_at - changed_at) > _QUIET_S:
            return
        time.sleep(_QUIET_S)
    raise UserError(f"{path} is being written to all the time. Try again in a moment.")


def _state(*paths: Path) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_state_of(path) for path in paths)


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
