"""Data classes of past runs, rollbacks and their history."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from components.evaluator.metrics import Figures
from foundation.versions import Rollback
from pipeline.history.record_names import State


@dataclass(frozen=True)
class NodeRun:
    """State of one node in a run."""

    name: str
    status: str
    """A `pipeline.local.observer.NodeStatus`, or `interrupted`."""
    elapsed_s: float | None
    """None where it did not finish."""


@dataclass(frozen=True)
class PastRun:
    """A recorded run. What was not recorded is None or empty: earlier versions recorded less."""

    number: int
    """From 1, in the order in which the runs began."""
    name: str
    """Its start, local time, ISO 8601, as in ML Metadata."""
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    state: State
    reasons: tuple[str, ...]
    """Why it was refused or failed; which bounds it missed where they are only reported."""
    failed_node: str | None
    data_source: str | None
    """The images as the user named them."""
    data_fingerprint: str | None
    data_splits: Mapping[str, int]
    num_breeds: int | None
    configuration: Mapping[str, Any]
    """The configuration, or the known parts of it."""
    figures: Figures
    """Metrics over the eval split."""
    num_eval_examples: int | None
    pushed_version: str | None
    """The version it pushed, or an earlier run's if nothing has changed since."""
    pushed_before: bool
    """Whether `pushed_version` was there before it ran."""
    nodes: tuple[NodeRun, ...]
    """In topological order."""
    command_line: str | None
    git_commit: str | None
    report: Path | None
    """Folder of its report; an earlier run's if nothing has changed since."""
    evaluation: Path | None
    """Folder of its evaluation; an earlier run's if nothing has changed since."""

    @property
    def elapsed_s(self) -> float | None:
        """Seconds from start to end."""
        if self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class PastRollback:
    """A rollback, recorded in ML Metadata or only noted in the version that it made."""

    version: int
    note: Rollback
    recorded: bool
    """Whether it is in ML Metadata."""

    @property
    def rolled_back_at(self) -> datetime.datetime:
        """Time of the rollback."""
        return datetime.datetime.fromisoformat(self.note.rolled_back_at)


@dataclass(frozen=True)
class History:
    """Runs, rollbacks and served version of a root."""

    root: Path
    push_path: Path
    """The folder that a model server watches."""
    runs: tuple[PastRun, ...]
    """The oldest first."""
    rollbacks: tuple[PastRollback, ...]
    """The oldest first."""
    served_version: int | None
    """The newest version in `push_path`."""

    @property
    def served_as(self) -> int | None:
        """The version that a run pushed and that is served now, maybe as a copy."""
        for rollback in self.rollbacks:
            if rollback.version == self.served_version:
                return rollback.note.copy_of
        return self.served_version


_STYLES = {
    State.PUSHED: "green",
    State.BLESSED: "green",
    State.REFUSED: "red",
    State.FAILED: "bold red",
    State.RUNNING: "cyan",
    State.INTERRUPTED: "yellow",
}


def verdict(run: PastRun, history: History) -> Text:
    """Says how a run ended, and whether its version is served now."""
    text = Text(_words(run), _STYLES[run.state])
    recorded_by = (each for each in history.runs if each.pushed_version == str(history.served_as))
    if run is next(recorded_by, None):
        copied = history.served_version != history.served_as
        text.append(
            f", served now as {history.served_version}" if copied else ", served now", "bold"
        )
    return text


def _words(run: PastRun) -> str:
    if run.state is State.PUSHED:
        again = "pushed before: " if run.pushed_before else "pushed "
        return f"{again}{run.pushed_version}{_although(run.reasons)}"
    if run.state is State.BLESSED:
        return f"{run.state.value}{_although(run.reasons)}"
    if run.state is State.REFUSED:
        return "refused" + _first(run.reasons)
    if run.state is State.FAILED:
        return f"failed at {run.failed_node}" if run.failed_node else "failed" + _first(run.reasons)
    if run.state is State.RUNNING and run.nodes:
        return f"running: {run.nodes[-1].name}"
    if run.state is State.INTERRUPTED and run.nodes:
        return f"interrupted at {run.nodes[-1].name}"
    return run.state.value


def _although(missed: tuple[str, ...]) -> str:
    """Names what was missed by a model that `evaluator.report_only` let pass."""
    return _first(missed).replace(": ", ", although ", 1)


def _first(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f": {reasons[0]}{more}"
