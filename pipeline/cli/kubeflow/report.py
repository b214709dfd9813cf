"""Tells in the terminal what a rehearsal came to."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pipeline.kubeflow.rehearsal.rehearse import FinishedRehearsal


def report_rehearsal(finished: FinishedRehearsal, console: Console) -> None:
    """Prints the nodes, the figures beside their bounds, and the verdict."""
    outcome, parameters = finished.outcome, finished.parameters
    console.print(finished.display.table())
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_row(
        "Accuracy",
        f"{outcome.accuracy:.3f}",
        f"{_bound(parameters.get('min_accuracy'))}on {outcome.num_eval_examples:,} eval pictures",
    )
    figures.add_row(
        "Top-5 accuracy",
        f"{outcome.top_5_accuracy:.3f}",
        _bound(parameters.get("min_top_5_accuracy")).rstrip(", "),
    )
    if outcome.baseline_accuracy is not None:
        figures.add_row("Served model", f"{outcome.baseline_accuracy:.3f}", "compared with")
    if outcome.canary is not None and outcome.canary.latency_ms is not None:
        figures.add_row(
            "Latency",
            f"{outcome.canary.latency_ms:,.1f} ms",
            "within which 99 of 100 single pictures were answered",
        )
    if outcome.best_trial is not None:
        best = outcome.best_trial
        figures.add_row("Best trial", f"{best.score:.3f}", f"the best of {best.num_trials}")
    console.print()
    console.print(figures)
    console.print()
    if outcome.pushed_path:
        console.print("[bold green]Blessed and pushed[/]")
        console.print(f"  path     {outcome.pushed_path}", soft_wrap=True)
    elif outcome.blessed:
        console.print("[bold green]Blessed[/], not pushed: the pipeline has no Pusher.")
    else:
        console.print("[bold red]Not blessed, not pushed[/]: what was served before stays.")
        for miss in outcome.misses:
            console.print(f"  {miss}", soft_wrap=True)
    if finished.report_path is not None:
        console.print(f"  report   {finished.report_path}", soft_wrap=True)
    console.print(f"  log      {finished.log_path}", style="dim", soft_wrap=True)


def _bound(value: object) -> str:
    return f"at least {value:.3f}, " if isinstance(value, float | int) else ""
