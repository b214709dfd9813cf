"""Lists runs in the terminal or as JSON."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.metrics import METRICS, Metric
from pipeline.history.changes import Change, changes
from pipeline.history.past_run import History, PastRollback, PastRun, verdict
from pipeline.local.display import duration_in_words

_WIDE = 110  # columns: a narrower terminal has room for two figures only, others for three
_MOST_CHANGES = 4
_FINGERPRINT_LENGTH = 8


def show_history(history: History, limit: int | None, console: Console) -> None:
    """Prints a line for each run and rollback, the oldest first; `limit` keeps the newest runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Run", justify="right", no_wrap=True)
    table.add_column("When", no_wrap=True)
    table.add_column("Data", overflow="fold")
    bounded = [metric for metric in METRICS if metric.bound is not None]  # metrics of the verdict
    listed = bounded[: 2 if console.width < _WIDE else 3]
    for metric in listed:
        table.add_column(metric.column, justify="right", no_wrap=True)
    table.add_column("Verdict", overflow="fold")
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("Changed since the run before", overflow="fold")
    shown = history.runs[-limit:] if limit is not None else history.runs
    since = shown[0].started_at if shown and len(shown) < len(history.runs) else None
    entries: list[PastRun | PastRollback] = [
        *shown,
        *(each for each in history.rollbacks if since is None or each.rolled_back_at >= since),
    ]
    for entry in sorted(entries, key=_moment):
        if isinstance(entry, PastRun):
            table.add_row(*_run_row(entry, history, listed))
        else:
            blank = [""] * (1 + len(listed))
            table.add_row("", when(entry.rolled_back_at), *blank, _rollback_text(entry))
    console.print(table)
    console.print(f"\n{served_now(history)}", soft_wrap=True, highlight=False, markup=False)


def history_json(history: History) -> str:
    """Writes the whole history as JSON."""
    return json.dumps(
        {
            "root": str(history.root.absolute()),
            "served": {
                "path": str(history.push_path),
                "version": history.served_version,
                "copy_of": history.served_as
                if history.served_as != history.served_version
                else None,
            },
            "runs": [
                {**run_json(run), "changes": changes_json(changes_before(run, history.runs))}
                for run in history.runs
            ],
            "rollbacks": [
                {
                    "version": each.version,
                    "copy_of": each.note.copy_of,
                    "replaced": each.note.replaced,
                    "rolled_back_at": each.note.rolled_back_at,
                    "reason": each.note.reason,
                    "recorded": each.recorded,
                }
                for each in history.rollbacks
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def run_json(run: PastRun) -> dict[str, Any]:
    """Converts a run to JSON values; what is not known is null."""
    return {
        "number": run.number,
        "name": run.name,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "seconds": run.elapsed_s,
        "state": run.state.value,
        "failed_node": run.failed_node,
        "reasons": run.reasons,
        "pushed_version": run.pushed_version,
        "pushed_before": run.pushed_before,
        "data": {
            "source": run.data_source,
            "fingerprint": run.data_fingerprint,
            "splits": run.data_splits,
            "num_breeds": run.num_breeds,
        },
        **{metric.name: run.figures.get(metric.name) for metric in METRICS},
        "num_eval_examples": run.num_eval_examples,
        "nodes": {
            node.name: {"status": node.status, "seconds": node.elapsed_s} for node in run.nodes
        },
        "command_line": run.command_line,
        "git_commit": run.git_commit,
        "report": str(run.report) if run.report else None,
        "configuration": run.configuration,
    }


def changes_json(differences: Sequence[Change]) -> Mapping[str, Any]:
    """Converts differences to JSON values."""
    return {each.name: {"before": each.before, "after": each.after} for each in differences}


def changes_before(run: PastRun, runs: Sequence[PastRun]) -> tuple[Change, ...]:
    """Returns how a run's configuration differs from the run before it."""
    if run.number == 1:
        return ()
    return changes(runs[run.number - 2].configuration, run.configuration)


def data_in_words(run: PastRun) -> str:
    """Formats the data source and its shortened fingerprint."""
    if run.data_source is None:
        return "-"
    name = run.data_source.rstrip("/").rpartition("/")[2] or run.data_source
    return f"{name} {(run.data_fingerprint or '')[:_FINGERPRINT_LENGTH]}".rstrip()


def when(moment: datetime.datetime) -> str:
    """Formats a time as local time."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def served_now(history: History) -> str:
    """Describes the served version."""
    if history.served_version is None:
        return f"Nothing is served: {history.push_path} holds no version."
    line = f"Served now: version {history.served_version} of {history.push_path}"
    if history.served_as != history.served_version:
        line += f", a copy of version {history.served_as}"
    return f"{line}."


def _run_row(run: PastRun, history: History, listed: Sequence[Metric]) -> tuple[str | Text, ...]:
    differences = changes_before(run, history.runs)
    lines = [str(each) for each in differences[:_MOST_CHANGES]]
    if len(differences) > _MOST_CHANGES:
        lines.append(f"and {len(differences) - _MOST_CHANGES} more")
    return (
        str(run.number),
        when(run.started_at),
        Text(data_in_words(run)),
        *(metric.written(run.figures.get(metric.name)) for metric in listed),
        verdict(run, history),
        duration_in_words(run.elapsed_s) if run.elapsed_s is not None else "-",
        Text("\n".join(lines)),
    )


def _rollback_text(rollback: PastRollback) -> Text:
    note = rollback.note
    text = Text(f"rolled back from {note.replaced} to {note.copy_of}", "magenta")
    text.append(f", as {rollback.version}")
    return text.append(f": {note.reason}" if note.reason else "")


def _moment(entry: PastRun | PastRollback) -> datetime.datetime:
    return entry.started_at if isinstance(entry, PastRun) else entry.rolled_back_at
