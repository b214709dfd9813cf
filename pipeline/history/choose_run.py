"""Finds the run or root that a user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.versions import newest_version
from pipeline.config.load import load_config
from pipeline.history.past_run import PastRun
from pipeline.history.record_names import METADATA_FILE
from trainer.training.logs import RUNS


@dataclass(frozen=True)
class RunsFolder:
    """Folders of runs and of the versions they pushed."""

    root: Path
    """Folder of everything that the runs keep."""
    push_path: Path | None
    """The folder that a model server watches; None means the last run's."""


def find_root(root: Path | None, config: Path | None, settings: Sequence[str]) -> RunsFolder:
    """Finds the root that is named or configured, else the one in runs/ with the last run.

    Raises:
        UserError: nothing is named and runs/ has no run, or the configuration is wrong.
    """
    if root is not None:
        return RunsFolder(root, None)
    if config is not None or settings:
        loaded = load_config(config, settings)
        return RunsFolder(loaded.root_path, loaded.push_path)
    stores = [path for path in RUNS.glob(f"*/{METADATA_FILE}") if path.is_file()]
    if not stores:
        raise UserError(
            f"There is no run below {RUNS}/ yet. 'dogbreed run' begins one; name the folder of "
            "another run with --root."
        )
    return RunsFolder(max(stores, key=lambda path: path.stat().st_mtime).parent, None)


def newest_pushed() -> Path | None:
    """Finds the newest version pushed below runs/; its number is its time."""
    bases = RUNS.glob("*/served")
    pushed = [(version, base) for base in bases if (version := newest_version(base)) is not None]
    if not pushed:
        return None
    version, base = max(pushed)
    return base / str(version)


_LAST = re.compile(r"last(?:-(\d+))?")
_MOST_SHOWN = 3


def choose_run(runs: Sequence[PastRun], text: str) -> PastRun:
    """Finds a run by its number from 1, `last`, `last-1` and so on, or a prefix of its start.

    A prefix is such as `2026-11-21T18` or '2026-11-21 18:33'; `runs` has the oldest first.

    Raises:
        UserError: no run or several match.
    """
    if not runs:
        raise UserError("No run has begun yet. 'dogbreed run' begins one.")
    if last := _LAST.fullmatch(text):
        number = len(runs) - int(last[1] or 0)
    elif text.isdecimal():
        number = int(text)
    else:
        return _by_start(runs, text)
    if not 1 <= number <= len(runs):
        raise UserError(f"There is no run {text}: they are numbered from 1 to {len(runs)}.")
    return runs[number - 1]


def _by_start(runs: Sequence[PastRun], text: str) -> PastRun:
    start = text.strip().replace(" ", "T")
    found = [run for run in runs if start and run.name.startswith(start)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{run.number} ({run.name[:19]})" for run in found[:_MOST_SHOWN])
        more = " and more" if len(found) > _MOST_SHOWN else ""
        raise UserError(f"'{text}' may be any of runs {shown}{more}: write more of the time.")
    raise UserError(
        f"There is no run '{text}'. Name one by its number from 1 to {len(runs)}, as 'last', "
        "'last-1' and so on, or by how its start begins, such as "
        f"{runs[-1].name[:16]}."
    )
