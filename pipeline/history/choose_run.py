"""Finds the run that a user means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from foundation.errors import UserError
from pipeline.history.past_run import PastRun

_LAST = re.compile(r"last(?:-(\d+))?")
_MOST_SHOWN = 3


def choose_run(runs: Sequence[PastRun], text: str) -> PastRun:
    """Finds one run.

    Args:
        runs: all runs, the oldest first.
        text: a number from 1, `last`, `last-1` for the one before and so on, or how a run's start
            begins, such as `2026-11-21T18` or '2026-11-21 18:33'.

    Raises:
        UserError: no run is called so, or several are.
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
