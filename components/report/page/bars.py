"""Where bars, intervals and limits lie along a line, as percentages of its length.

They are drawn with the page's style sheet alone, so that they need no script and can be printed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.report.facts import Bound, Figure

_ROOM = 1.15  # a scale that does not end at 1 is this many times longer than what lies on it


@dataclass(frozen=True)
class Scale:
    """A line from one value to another."""

    low: float
    high: float

    def at(self, value: float | None) -> float | None:
        """Returns where a value lies, in percent of the line; None where there is none.

        What lies beyond an end is drawn at that end.
        """
        if value is None or not math.isfinite(value):
            return None
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


SHARES = Scale(0.0, 1.0)
"""The scale of what lies between 0 and 1."""


@dataclass(frozen=True)
class BoundBar:
    """A bar from zero to what was measured, and its limit. All in percent."""

    start: float
    length: float
    limit: float


def figure_scale(figure: Figure) -> Scale:
    """Returns the line on which a figure and the served model's are drawn."""
    intervals = (figure.interval, figure.baseline_interval)
    ends = [end for interval in intervals if interval for end in (interval.low, interval.high)]
    present = [figure.value, *ends, *([] if figure.baseline is None else [figure.baseline])]
    return _around(present, is_share=figure.higher_is_better)


def bound_bar(bound: Bound) -> BoundBar:
    """Returns the bar of a bound; it has no length where nothing was measured."""
    measured = [] if bound.value is None else [bound.value]
    scale = _around([*measured, bound.bound], is_share=bound.at_least and not bound.unit)
    zero = scale.at(0.0) or 0.0
    end = scale.at(bound.value)
    limit = scale.at(bound.bound) or 0.0
    if end is None:
        return BoundBar(zero, 0.0, limit)
    return BoundBar(round(min(zero, end), 2), round(abs(end - zero), 2), limit)


def _around(values: list[float], *, is_share: bool) -> Scale:
    """Returns a line that holds zero and all values; from 0 to 1 for shares."""
    present = [value for value in values if math.isfinite(value)]
    low, high = min([0.0, *present]), max([0.0, *present])
    if is_share and low >= 0.0 and high <= 1.0:
        return SHARES
    if low == high:
        return SHARES
    return Scale(low * _ROOM, high * _ROOM)
