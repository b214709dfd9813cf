"""What a chart is, and the look that all charts have in common.

A colour is the name of a custom property of the page's style sheet, such as `--accent`: the page
puts in what the reader's theme makes of it.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

OURS, THEIRS, WRONG, QUIET = "--series-1", "--series-3", "--series-2", "--quiet"
"""Colours of this model, of the served model, of errors, and of what stands back."""
FONT = "system-ui, sans-serif"
_TICK_LETTERS = 26


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        label: what it shows, in a sentence, for those who do not see it.
        traces: Plotly's traces.
        layout: Plotly's layout.
        height: in CSS pixels.
    """

    label: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int

    def to_json(self) -> dict[str, Any]:
        """Returns what the page's script reads; what is not a finite number is null."""
        return {
            "data": finite(self.traces),
            "layout": finite({**self.layout, "height": self.height}),
        }


def layout(
    x: dict[str, Any] | None = None, y: dict[str, Any] | None = None, **others: Any
) -> dict[str, Any]:
    """Returns a layout in the report's look.

    Args:
        x: what the horizontal axis has besides that look.
        y: the same of the vertical axis.
        **others: further parts of the layout; they replace those of the same name.
    """
    return {
        "margin": {"l": 52, "r": 12, "t": 28, "b": 46},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": "--quiet"},
        "hoverlabel": {
            "bgcolor": "--card",
            "bordercolor": "--line",
            "font": {"family": FONT, "size": 13, "color": "--ink"},
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
        "dragmode": False,
        "xaxis": axis(**(x or {})),
        "yaxis": axis(**(y or {})),
        **others,
    }


def axis(title: str = "", **others: Any) -> dict[str, Any]:
    """Returns an axis in the report's look.

    Args:
        title: what it measures.
        **others: further parts of the axis; they replace those of the same name.
    """
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 13}},
        "gridcolor": "--grid",
        "linecolor": "--line",
        "zeroline": False,
        "automargin": True,
        **others,
    }


def escaped(names: Iterable[str]) -> list[str]:
    """Returns names as Plotly shows them letter by letter; it takes some HTML for markup."""
    return [html.escape(name, quote=False) for name in names]


def short_ticks(names: Sequence[str]) -> dict[str, str]:
    """Returns what stands at an axis for each name that is too long for it.

    Args:
        names: as they are, not escaped.
    """
    long_names = [name for name in names if len(name) > _TICK_LETTERS]
    shortened = (f"{name[: _TICK_LETTERS - 1].rstrip()}…" for name in long_names)
    return dict(zip(escaped(long_names), escaped(shortened), strict=True))


def finite(value: Any) -> Any:
    """Returns plain data with None for numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value
