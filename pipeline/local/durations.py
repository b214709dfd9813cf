"""Lengths of time as people read them."""

from __future__ import annotations


def in_words(elapsed_s: float) -> str:
    """Writes seconds as `8.3 s`, `4:05 min` or `1:02:09 h`."""
    if round(elapsed_s, 1) < 60:
        return f"{elapsed_s:.1f} s"
    minutes, seconds = divmod(round(elapsed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"
