"""How the report writes numbers."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from components.report.facts import Bound, Figure, Interval

_NOTHING = _TO = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_SMALLEST_SHOWN = 0.0005  # less is 0.000, of which there is neither more nor less


def in_figures(value: float | None, unit: str = "") -> str:
    """Writes a share or a measured value, such as `0.397` or `12.4 ms`; a dash for None or NaN."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    digits = 0 if abs(value) >= 1000 else 1 if unit or abs(value) >= 100 else 3
    written = f"{abs(value):,.{digits}f}" + (f" {unit}" if unit else "")
    is_negative = value < 0 and any(digit in "123456789" for digit in written)
    return f"{_MINUS}{written}" if is_negative else written


def counted(value: float) -> str:
    """Writes a count, such as `2,400`."""
    return f"{value:,.0f}"


def counted_of(value: int, singular: str, plural: str | None = None) -> str:
    """Writes a count with what is counted, such as `1 picture` or `2,400 pictures`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def plain(value: float) -> str:
    """Writes a rate or a size with no more digits than it has, such as `0.0015` or `640`."""
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def between(interval: Interval | None) -> str:
    """Writes an interval, such as `0.377` to `0.417` with a dash between; nothing for None."""
    if interval is None:
        return ""
    return f"{in_figures(interval.low)}{_TO}{in_figures(interval.high)}"


def signed(value: float | None) -> str:
    """Writes a difference, such as `+0.021`; a dash for None."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    return f"+{in_figures(value)}" if value >= _SMALLEST_SHOWN else in_figures(value)


def difference(value: float | None, baseline: float | None) -> float | None:
    """Returns how far a value is above the baseline's; None where either is missing."""
    return None if value is None or baseline is None else value - baseline


def against_baseline(figure: Figure) -> str:
    """Says how a figure compares, such as `better by 0.021; the intervals overlap`."""
    change = difference(figure.value, figure.baseline)
    if change is None:
        return ""
    if abs(change) < _SMALLEST_SHOWN:
        return "no difference"
    is_better = (change > 0) == figure.higher_is_better
    said = f"{'better' if is_better else 'worse'} by {in_figures(abs(change))}"
    ours, theirs = figure.interval, figure.baseline_interval
    if ours is None or theirs is None:
        return said
    overlap = ours.low <= theirs.high and theirs.low <= ours.high
    return f"{said}; the intervals {'overlap' if overlap else 'do not overlap'}"


def missed_by(bound: Bound) -> str:
    """Says what became of a bound, such as `missed by 0.031`."""
    if bound.kept:
        return "kept"
    if bound.value is None:
        return "not measured"
    return f"missed by {_enough_digits(bound.missed_by, bound.unit)}"


def _enough_digits(value: float, unit: str) -> str:
    """Writes what a bound was missed by, never as nothing."""
    written = in_figures(value, unit)
    if any(digit in "123456789" for digit in written):
        return written
    return f"{value:.1g}" + (f" {unit}" if unit else "")


def in_words(created_at: str) -> str:
    """Writes a moment, such as `21 November 2026, 18:33 UTC`; as it is where it cannot be read."""
    try:
        moment = datetime.fromisoformat(created_at.replace("Z", "+00:00"))
    except ValueError:
        return created_at
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
