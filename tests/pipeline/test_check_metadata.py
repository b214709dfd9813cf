"""What stops a run before it begins: no room, metadata that is damaged or held by others."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.errors import UserError
from pipeline.local import check_metadata as module
from pipeline.local.check_metadata import check_metadata, repair_rows

_HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """ML Metadata's tables of executions, with executions 1 to 3."""
    path = tmp_path / "metadata.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE Execution (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
            CREATE TABLE Association (context_id INT, execution_id INT);
            CREATE TABLE Event (artifact_id INT, execution_id INT);
            CREATE TABLE ExecutionProperty (execution_id INT, name TEXT);
            INSERT INTO Execution (name) VALUES ('a'), ('b'), ('c');
            INSERT INTO Association VALUES (1, 3), (1, 4);
            INSERT INTO Event VALUES (7, 2), (8, 4);
            """
        )
    database.close()
    return path


@pytest.fixture
def holder(store: Path) -> Iterator[int]:
    """PID of another process that has locked the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.communicate()


def test_store_that_another_process_holds_is_refused_at_once_and_names_it(
    store: Path, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)

    with pytest.raises(UserError, match=rf"held by another process: PID {holder} \(python.*run "):
        check_metadata(store.parent)


@pytest.mark.parametrize("offset", [0, 4096])
def test_damaged_store_is_refused_with_the_remedy(store: Path, offset: int) -> None:
    with store.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(4096))

    with pytest.raises(UserError, match=r"is damaged\. Move it away and run again: everything"):
        check_metadata(store.parent)


@pytest.mark.parametrize("content", [None, b""])
def test_missing_or_empty_store_is_a_new_one(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "metadata.sqlite").write_bytes(content)

    check_metadata(tmp_path)


def test_disk_that_is_nearly_full_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and a machine that lets it")
    try:
        with pytest.raises(UserError, match=r"nearly full: it has 52 MB left.*Make room"):
            check_metadata(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(("folder", "next_id"), [("Trainer/model/2", 4), ("Pusher/pushed/40", 41)])
def test_next_execution_has_neither_rows_nor_folders_of_a_lost_one(
    store: Path, tmp_path: Path, folder: str, next_id: int
) -> None:
    (tmp_path / "artifacts" / folder).mkdir(parents=True)
    named_by_time = "Trainer/.system/stateful_working_dir/1796077705100838"
    (tmp_path / "artifacts" / named_by_time).mkdir(parents=True)

    repair_rows(store, tmp_path / "artifacts")

    with sqlite3.connect(store) as database:
        added = database.execute("INSERT INTO Execution (name) VALUES ('d')").lastrowid
        assert added == next_id
        assert database.execute("SELECT * FROM Association").fetchall() == [(1, 3)]
        assert database.execute("SELECT * FROM Event").fetchall() == [(7, 2)]
    database.close()
