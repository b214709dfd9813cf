"""Finds the TensorBoard logs of the last training below a run's folder."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError

RUNS = Path("runs")
"""Folder of runs whose configuration names no root, below the current folder."""

_FINISHED = "artifacts/Trainer/model_run"  # one folder for each execution, named by its number
_UNFINISHED = "checkpoints/*/logs"
_EVENTS = "*.tfevents.*"


@dataclass(frozen=True)
class TrainingLogs:
    """The logs of one training."""

    path: Path
    root: Path
    """The run's folder."""
    written_at: float
    """Time of the last write, in seconds since the epoch."""
    finished: bool

    def __str__(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.written_at).strftime("%Y-%m-%d %H:%M")
        if self.finished:
            return f"training {self.path.name} of {_short(self.root)}, finished {moment}"
        return (
            f"training of {_short(self.root)} that is at work or was interrupted, "
            f"last written {moment}"
        )


def last_training(root: Path) -> TrainingLogs:
    """Finds the last training below a run's folder, finished or not.

    Raises:
        UserError: nothing was trained there.
    """
    logs = _newest(_trainings(root))
    if logs is None:
        raise UserError(
            f"Nothing was trained below {_short(root)} yet. 'dogbreed run' trains; name the folder "
            "of another run with --root."
        )
    return logs


def last_training_of_any_run() -> TrainingLogs:
    """Finds the last training of the runs below the current folder.

    Raises:
        UserError: there is none.
    """
    roots = sorted(RUNS.iterdir()) if RUNS.is_dir() else []
    logs = _newest(logs for root in roots for logs in _trainings(root))
    if logs is None:
        raise UserError(
            f"Nothing was trained below {RUNS}/ yet. 'dogbreed run' trains; name the folder of "
            "another run with --root."
        )
    return logs


def _trainings(root: Path) -> Iterator[TrainingLogs]:
    executions = [path for path in root.glob(f"{_FINISHED}/*") if path.name.isdecimal()]
    # The number decides among finished ones: a copied folder may have lost its times.
    for path in sorted(executions, key=lambda path: int(path.name), reverse=True):
        if (written_at := _written_at(path)) is not None:
            yield TrainingLogs(path, root, written_at, finished=True)
            break
    for path in root.glob(_UNFINISHED):
        if (written_at := _written_at(path)) is not None:
            yield TrainingLogs(path, root, written_at, finished=False)


def _written_at(path: Path) -> float | None:
    return max((events.stat().st_mtime for events in path.rglob(_EVENTS)), default=None)


def _newest(trainings: Iterator[TrainingLogs]) -> TrainingLogs | None:
    """Returns the newest logs; finished ones win ties."""
    return max(trainings, key=lambda logs: (logs.written_at, logs.finished), default=None)


def _short(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
