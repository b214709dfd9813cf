"""Prints two runs side by side, or writes them as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.metrics import ACCURACY, METRICS
from pipeline.cli.history.show_history import changes_json, data_in_words, run_json, when
from pipeline.history import changes as configuration
from pipeline.history.changes import breed_changes
from pipeline.history.past_run import History, NodeRun, PastRun, verdict
from pipeline.local.display import duration_in_words

_MOST_BREEDS = 20


def show_pair(before: PastRun, after: PastRun, history: History, console: Console) -> None:
    """Prints two runs and the differences between them."""
    console.print(_heads(before, after, history))
    _show_configuration(before, after, console)
    _show_figures(before, after, console)
    _show_breeds(before, after, console)
    _show_nodes(before, after, console)


def pair_json(before: PastRun, after: PastRun) -> str:
    """Writes two runs and the differences between them as JSON."""
    breeds = breed_changes(before, after)
    return json.dumps(
        {
            "before": run_json(before),
            "after": run_json(after),
            "changes": changes_json(
                configuration.changes(before.configuration, after.configuration)
            ),
            "breeds": None
            if breeds is None
            else [
                {"breed": each.breed, "before": each.before, "after": each.after} for each in breeds
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _heads(before: PastRun, after: PastRun, history: History) -> Table:
    table = _table("", before, after)
    rows: list[tuple[str, Callable[[PastRun], str | Text]]] = [
        ("When", lambda run: when(run.started_at)),
        (
            "Took",
            lambda run: duration_in_words(run.elapsed_s) if run.elapsed_s is not None else "-",
        ),
        ("Verdict", lambda run: verdict(run, history)),
        ("Data", lambda run: Text(data_in_words(run))),
        ("Pictures", _pictures),
        ("Commit", lambda run: _commit(run.git_commit)),
        ("Typed", lambda run: Text(run.command_line or "-")),
        ("Report", lambda run: Text(str(run.report) if run.report else "-")),
    ]
    for title, cell in rows:
        table.add_row(title, cell(before), cell(after))
    return table


def _show_configuration(before: PastRun, after: PastRun, console: Console) -> None:
    differences = configuration.changes(before.configuration, after.configuration)
    if not before.configuration or not after.configuration:
        console.print("\nA configuration was not recorded: an earlier version of dogbreed ran.")
        return
    if not differences:
        console.print("\nThe configurations are the same.")
        return
    table = _table("Configuration", before, after)
    for each in differences:
        table.add_row(
            each.name,
            Text(configuration.value_in_words(each.before)),
            Text(configuration.value_in_words(each.after)),
        )
    console.print()
    console.print(table)


def _show_figures(before: PastRun, after: PastRun, console: Console) -> None:
    table = _table("Figure", before, after, "Difference")
    for metric in METRICS:
        one, other = before.figures.get(metric.name), after.figures.get(metric.name)
        difference = "" if one is None or other is None else f"{other - one:+.{metric.digits}f}"
        table.add_row(metric.title, metric.written(one), metric.written(other), difference)
    console.print()
    console.print(table)
    if before.data_fingerprint != after.data_fingerprint:
        console.print("Measured on different pictures: the data has changed.", style="dim")


def _show_breeds(before: PastRun, after: PastRun, console: Console) -> None:
    breeds = breed_changes(before, after)
    if breeds is None:
        console.print("\nNothing is known of single breeds: a run left no report.")
        return
    changed = [each for each in breeds if each.change]
    if not changed:
        console.print("\nEvery breed is known as well as before.")
        return
    table = _table("Accuracy of breed", before, after, "Difference")
    for each in changed[:_MOST_BREEDS]:
        style = "green" if each.change > 0 else "red"
        table.add_row(
            Text(each.breed),
            ACCURACY.written(each.before),
            ACCURACY.written(each.after),
            Text(f"{each.change:+.3f}", style),
        )
    console.print()
    console.print(table)
    better, worse = (sum(each.change * sign > 0 for each in breeds) for sign in (1, -1))
    same = len(breeds) - better - worse
    shown = f"; the {_MOST_BREEDS} greatest are shown" if len(changed) > _MOST_BREEDS else ""
    console.print(f"{better} better, {worse} worse, {same} the same{shown}.", style="dim")


def _show_nodes(before: PastRun, after: PastRun, console: Console) -> None:
    nodes = [{node.name: node for node in run.nodes} for run in (before, after)]
    table = _table("Node", before, after)
    for name in {**nodes[0], **nodes[1]}:
        table.add_row(name, *(_node(each.get(name)) for each in nodes))
    console.print()
    console.print(table)


def _table(subject: str, before: PastRun, after: PastRun, difference: str | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (subject, f"Run {before.number}", f"Run {after.number}"):
        table.add_column(title, overflow="fold")
    if difference is not None:
        table.add_column(difference, justify="right")
    return table


def _pictures(run: PastRun) -> str:
    splits = ", ".join(f"{count:,} {name}" for name, count in run.data_splits.items())
    return f"{splits} of {run.num_breeds} breeds" if splits else "-"


def _commit(commit: str | None) -> str:
    sha, _, dirty = (commit or "").partition("-")
    return f"{sha[:10]}{', changed since' if dirty else ''}" if sha else "-"


def _node(node: NodeRun | None) -> str:
    if node is None:
        return "-"
    if node.status == "ran" and node.elapsed_s is not None:
        return duration_in_words(node.elapsed_s)
    return node.status
