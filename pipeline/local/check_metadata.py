"""Checks a root's disk and ML Metadata before a run; removes rows that a full disk left behind.

SQLite alone is used: ML Metadata's own messages quote SQL, and it waits minutes for a lock.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from foundation.errors import UserError
from pipeline.history.record_names import METADATA_FILE

_LEAST_FREE_MB = 100
_PATIENCE_S = 5.0


def check_metadata(root: Path) -> None:
    """Checks that there is room below a root, and that its metadata can be read and written.

    Raises:
        UserError: the disk is nearly full, or the metadata is damaged or held by another process.
    """
    free_mb = shutil.disk_usage(root).free / 1e6
    if free_mb < _LEAST_FREE_MB:
        raise UserError(
            f"The disk of {root} is nearly full: it has {free_mb:,.0f} MB left, and a run needs "
            f"{_LEAST_FREE_MB} MB at the least. Make room, or name another folder with --set "
            "root=FOLDER."
        )
    path = root / METADATA_FILE
    if not path.is_file() or path.stat().st_size == 0:  # ML Metadata creates it
        return
    with _opened(path) as database:
        problems = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
        if problems != ["ok"]:
            raise sqlite3.DatabaseError(problems[0])


def repair_rows(path: Path, artifacts: Path) -> None:
    """Makes a store's next execution one of its own.

    When the disk is full, SQLite may undo an execution and keep rows that name it. The execution
    that gets its id next would be taken for the one that is lost. In a store that is new, or from a
    backup, ids would begin below folders that are there.

    Args:
        path: the store, with its tables.
        artifacts: folder of the nodes' outputs, NODE/OUTPUT/EXECUTION.

    Raises:
        UserError: the store cannot be written.
    """
    with _opened(path) as database:
        for table in ("Association", "Event", "ExecutionProperty"):
            database.execute(
                f"DELETE FROM {table} WHERE execution_id NOT IN (SELECT id FROM Execution)"
            )
        # Not .system/stateful_working_dir, whose folders are named by the time.
        own = "*/.system/executor_execution/*"
        folders = itertools.chain(artifacts.glob("*/*/*"), artifacts.glob(own))
        names = (each.name for each in folders)
        highest = max((int(name) for name in names if name.isdecimal()), default=0)
        last = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'Execution'")
        if highest > (last.fetchone() or (0,))[0]:
            database.execute("DELETE FROM sqlite_sequence WHERE name = 'Execution'")
            database.execute("INSERT INTO sqlite_sequence VALUES ('Execution', ?)", (highest,))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens a store in a transaction of its own, and says in words why that fails."""
    database = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise UserError(f"{path} cannot be used: {error}.") from error
        raise UserError(
            f"{path} is held by another process{_holders(path)}. Wait for it or end it, then run "
            "again."
        ) from error
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path} is damaged. Move it away and run again: everything is made anew, what is "
            "served stays, and it is not pushed twice. Only the history is lost."
        ) from error
    finally:
        database.close()


def _holders(path: Path) -> str:
    """Names the other processes of this machine that have a file open; empty if none is seen."""
    holders = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        pid = link.parts[2]
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if int(pid) != os.getpid() and os.path.samefile(link, path):
                holders.add(f"{pid} ({Path('/proc', pid, 'comm').read_text().strip()})")
    return f": PID {', '.join(sorted(holders))}" if holders else ""
