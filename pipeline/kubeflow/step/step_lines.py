"""Lines by which a step's log speaks to those who follow it; free of TFX imports."""

from __future__ import annotations

PROGRESS_LINE = "dogbreed progress: "
"""Begins a line with what the running node is at."""
MILESTONE_LINE = "dogbreed milestone: "
"""Begins one that is worth keeping."""


def done_line(step: str, elapsed_s: float) -> str:
    """Returns the last line of a step that ended well."""
    return f"dogbreed: {step} done in {elapsed_s:.1f} s"


def failed_line(step: str, reason: str) -> str:
    """Returns the last line of a step that failed."""
    return f"dogbreed: {step} failed: {reason}"


def reason_in(step: str, lines: list[str]) -> str | None:
    """Finds why a step failed in what it wrote; None where it did not come to say so."""
    begin = failed_line(step, "")
    for line in reversed(lines):
        if line.startswith(begin):
            return line.removeprefix(begin).strip()
    return None
