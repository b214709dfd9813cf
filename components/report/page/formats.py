"""Formats numbers, bars and addresses for the report."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from PIL import Image, UnidentifiedImageError

from components.evaluator.results.values import Bound, Figure, Interval

_ROOM = 1.15  # a scale that does not end at 1 is this many times longer than what lies on it


@dataclass(frozen=True)
class Scale:
    """A linear scale from one value to another."""

    low: float
    high: float

    def at(self, value: float | None) -> float | None:
        """Returns the position of a value in percent, clamped to the ends; None for None."""
        if value is None or not math.isfinite(value):
            return None
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


SHARES = Scale(0.0, 1.0)


@dataclass(frozen=True)
class BoundBar:
    """A bar from zero to the measured value, and its limit, in percent."""

    start: float
    length: float
    limit: float


def figure_scale(figure: Figure) -> Scale:
    """Returns the scale of a figure and the served model's."""
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
    """Returns a scale that holds zero and all values; from 0 to 1 for fractions."""
    present = [value for value in values if math.isfinite(value)]
    low, high = min([0.0, *present]), max([0.0, *present])
    if is_share and low >= 0.0 and high <= 1.0:
        return SHARES
    if low == high:
        return SHARES
    return Scale(low * _ROOM, high * _ROOM)


_SIGNATURES = ((b"\x89PNG", "image/png"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


def data_address(data: bytes, media_type: str | None = None) -> str:
    """Returns an encoded image as a `data:` URI; without a media type, detects it."""
    if media_type is None:
        kinds = (kind for signature, kind in _SIGNATURES if data.startswith(signature))
        media_type = next(kinds, "image/jpeg")
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def first_frame(data: bytes) -> str | None:
    """Returns an animation's first frame as a `data:` URI; None if it is not animated."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if not getattr(picture, "is_animated", False):
                return None
            still = io.BytesIO()
            picture.convert("RGB").save(still, "PNG", optimize=True)
    except (UnidentifiedImageError, OSError):
        return None
    return data_address(still.getvalue(), "image/png")


def size_of(data: bytes) -> tuple[int, int] | None:
    """Returns an image's width and height in pixels; None if unknown."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError):
        return None


def content_security_policy(scripts: Iterable[str]) -> str:
    """Returns a policy that allows only inline scripts of exactly these texts, and no requests."""
    digests = (hashlib.sha256(script.encode("utf-8")).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
    # Plotly and the bars set styles of their own.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


_NOTHING = _TO = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_SMALLEST_SHOWN = 0.0005  # less is 0.000, of which there is neither more nor less


def format_number(value: float | None, unit: str = "") -> str:
    """Formats a fraction or a measurement, such as `0.397` or `12.4 ms`; a dash for None or NaN."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    digits = 0 if abs(value) >= 1000 else 1 if unit or abs(value) >= 100 else 3
    written = f"{abs(value):,.{digits}f}" + (f" {unit}" if unit else "")
    is_negative = value < 0 and any(digit in "123456789" for digit in written)
    return f"{_MINUS}{written}" if is_negative else written


def format_count(value: float) -> str:
    """Formats a count, such as `2,400`."""
    return f"{value:,.0f}"


def count_of(value: int, singular: str, plural: str | None = None) -> str:
    """Formats a count with its noun, such as `1 picture` or `2,400 pictures`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def format_plain(value: float) -> str:
    """Formats a rate or a size without trailing zeros, such as `0.0015` or `640`."""
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def format_interval(interval: Interval | None) -> str:
    """Formats an interval, such as `0.377` to `0.417` with a dash between; nothing for None."""
    if interval is None:
        return ""
    return f"{format_number(interval.low)}{_TO}{format_number(interval.high)}"


def format_difference(value: float | None) -> str:
    """Formats a difference, such as `+0.021`; a dash for None."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    return f"+{format_number(value)}" if value >= _SMALLEST_SHOWN else format_number(value)


def difference(value: float | None, baseline: float | None) -> float | None:
    """Returns a value less the baseline's; None where either is missing."""
    return None if value is None or baseline is None else value - baseline


def against_baseline(figure: Figure) -> str:
    """Compares a figure with the baseline's, such as `better by 0.021; the intervals overlap`."""
    change = difference(figure.value, figure.baseline)
    if change is None:
        return ""
    if abs(change) < _SMALLEST_SHOWN:
        return "no difference"
    is_better = (change > 0) == figure.higher_is_better
    said = f"{'better' if is_better else 'worse'} by {format_number(abs(change))}"
    ours, theirs = figure.interval, figure.baseline_interval
    if ours is None or theirs is None:
        return said
    overlap = ours.low <= theirs.high and theirs.low <= ours.high
    return f"{said}; the intervals {'overlap' if overlap else 'do not overlap'}"


def missed_by(bound: Bound) -> str:
    """Says whether a bound was kept, such as `missed by 0.031`."""
    if bound.kept:
        return "kept"
    if bound.value is None:
        return "not measured"
    return f"missed by {_enough_digits(bound.missed_by, bound.unit)}"


def _enough_digits(value: float, unit: str) -> str:
    """Formats what a bound was missed by, with enough digits that it is not zero."""
    written = format_number(value, unit)
    if any(digit in "123456789" for digit in written):
        return written
    return f"{value:.1g}" + (f" {unit}" if unit else "")


def format_moment(created_at: str) -> str:
    """Formats a time, such as `21 November 2026, 18:33 UTC`; unchanged if it cannot be parsed."""
    try:
        moment = datetime.fromisoformat(created_at.replace("Z", "+00:00"))
    except ValueError:
        return created_at
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
