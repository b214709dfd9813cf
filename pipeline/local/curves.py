"""Plots training curves: eval accuracy over steps and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from trainer.training.history import CurvePoint

# Okabe and Ito's colour-blind safe palette (https://jfly.uni-koeln.de/color), without the yellow,
# which is hard to see on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_STYLES = ("-", "--", "-.", ":")
_SHORT_S = 180  # shorter trainings are plotted over seconds
_LABEL_WIDTH, _LABEL_HEIGHT = 0.1, 0.045  # of the panel: size of a final value
_MARGIN = 0.12  # of the panel
_FEW_EPOCHS = 50  # up to here each has a dot
_DOTS_PER_INCH = 120
_WIDTH_IN, _PANELS_IN, _LEGEND_ROW_IN = 12, 5, 0.22  # inches


class _End(NamedTuple):
    x: float
    y: float
    colour: str


def draw_curves(curves: Mapping[str, Sequence[CurvePoint]], title: str, path: Path) -> None:
    """Plots every curve over steps and over time, in the format of the suffix of `path`."""
    height = _PANELS_IN + _LEGEND_ROW_IN * (len(curves) + 1)
    figure = Figure(figsize=(_WIDTH_IN, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window, no global state
    over_steps, over_time = figure.subplots(1, 2, sharey=True)
    longest_s = max((curve[-1].elapsed_s for curve in curves.values()), default=0.0)
    unit, unit_s = ("s", 1) if longest_s < _SHORT_S else ("min", 60)

    # Colour and style both change: lines differ in grey and to the colour-blind.
    looks = zip(cycle(_COLOURS), cycle(_STYLES), strict=False)
    handles: list[Line2D] = []
    step_ends: list[_End] = []
    time_ends: list[_End] = []
    for (label, curve), (colour, style) in zip(curves.items(), looks, strict=False):
        accuracy = [point.accuracy for point in curve]
        steps = [point.step for point in curve]
        elapsed = [point.elapsed_s / unit_s for point in curve]
        marker = "." if len(curve) <= _FEW_EPOCHS else ""
        handles += over_steps.plot(steps, accuracy, style, color=colour, marker=marker)
        over_time.plot(elapsed, accuracy, style, color=colour, marker=marker)
        handles[-1].set_label(label.replace("$", r"\$"))  # else it is read as a formula
        step_ends.append(_End(steps[-1], accuracy[-1], colour))
        time_ends.append(_End(elapsed[-1], accuracy[-1], colour))
    for panel, ends in ((over_steps, step_ends), (over_time, time_ends)):
        panel.grid(alpha=0.3)
        panel.margins(x=_MARGIN)  # room for the figures at the lines' ends
        panel.set_xlim(left=0)
        _label_ends(panel, ends)
    over_steps.set(xlabel="Training steps", ylabel="Eval accuracy")
    over_steps.xaxis.set_major_locator(MaxNLocator(integer=True))
    over_time.set(xlabel=f"Training time ({unit})")
    figure.suptitle(title)
    figure.legend(handles=handles, loc="outside lower left", frameon=False)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _label_ends(panel: Axes, ends: Sequence[_End]) -> None:
    """Writes the final value at the end of each line, without overlaps."""
    left, right = panel.get_xlim()
    lowest, highest = panel.get_ylim()
    room_x, room_y = (right - left) * _LABEL_WIDTH, (highest - lowest) * _LABEL_HEIGHT
    placed: list[tuple[float, float]] = []
    for end in sorted(ends, key=lambda end: end.y, reverse=True):
        text_y = end.y
        for x, y in placed:  # from top to bottom
            if abs(x - end.x) < room_x:
                text_y = min(text_y, y - room_y)
        placed.append((end.x, text_y))
        panel.annotate(
            f"{end.y:.3f}",
            (end.x, text_y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=end.colour,
            fontsize="small",
        )
