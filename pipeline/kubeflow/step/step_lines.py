"""Log lines of a step that rehearsals and `dogbreed submit` parse; free of TFX imports."""

from __future__ import annotations

PROGRESS_LINE = "dogbreed progress: "
"""Prefix of a line on the progress of the running node."""
MILESTONE_LINE = "dogbreed milestone: "
"""Prefix of a progress line that is printed even without a terminal."""


def done_line(step: str, elapsed_s: float) -> str:
    """Returns the last line of a step that ended well."""
    return f"dogbreed: {step} done in {elapsed_s:.1f} s"


def failed_line(step: str, reason: str) -> str:
    """Returns the last line of a step that failed."""
    return f"dogbreed: {step} failed: {reason}"


def reason_in(step: str, lines: list[str]) -> str | None:
    """Returns the reason in the last failure line of a step's log, or None without one."""
    begin = failed_line(step, "")
    for line in reversed(lines):
        if line.startswith(begin):
            return line.removeprefix(begin).strip()
    return None
