"""Says how a run ended in a few words."""

from __future__ import annotations

from rich.text import Text

from pipeline.history.past_run import History, PastRun, State

_STYLES = {
    State.PUSHED: "green",
    State.BLESSED: "green",
    State.REFUSED: "red",
    State.FAILED: "bold red",
    State.RUNNING: "cyan",
    State.INTERRUPTED: "yellow",
}


def verdict(run: PastRun, history: History) -> Text:
    """Says how a run ended, and whether what it pushed is served now."""
    text = Text(_words(run), _STYLES[run.state])
    if run.pushed_version == str(history.served_as) and not run.pushed_before:
        copied = history.served_version != history.served_as
        text.append(
            f", served now as {history.served_version}" if copied else ", served now", "bold"
        )
    return text


def _words(run: PastRun) -> str:
    if run.state is State.PUSHED:
        again = "pushed before: " if run.pushed_before else "pushed "
        return f"{again}{run.pushed_version}"
    if run.state is State.REFUSED:
        return "refused" + _first(run.reasons)
    if run.state is State.FAILED:
        return f"failed at {run.failed_node}" if run.failed_node else "failed" + _first(run.reasons)
    if run.state is State.RUNNING and run.nodes:
        return f"running: {run.nodes[-1].name}"
    if run.state is State.INTERRUPTED and run.nodes:
        return f"interrupted at {run.nodes[-1].name}"
    return run.state.value


def _first(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f": {reasons[0]}{more}"
