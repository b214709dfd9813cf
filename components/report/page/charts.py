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

from components.evaluator.results.values import BASELINE_NAME, BreedRow, Calibration, Confusion
from components.report.facts import Data, Histogram
from components.report.page.formats import in_figures
from trainer.training.history import Epoch

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


_ROOMY_BREEDS = 40  # more stand so close that their marks are made smaller


def draw_recalls(breeds: Sequence[BreedRow]) -> Chart | None:
    """Draws each breed's recall with its interval and the served model's; None without any."""
    known = [(row.recall, row) for row in breeds if row.recall is not None]
    if len(known) < 2:
        return None
    known.sort(key=lambda pair: (-pair[0], pair[1].breed))
    rows = [row for _, row in known]
    recalls = [recall for recall, _ in known]
    names = escaped(row.breed for row in rows)
    above = [row.interval.high - recall if row.interval else 0.0 for recall, row in known]
    below = [recall - row.interval.low if row.interval else 0.0 for recall, row in known]
    size = 7 if len(rows) <= _ROOMY_BREEDS else 5
    traces = [
        {
            "type": "scatter", "mode": "markers", "name": "this model", "x": names, "y": recalls,
            "customdata": [row.num_eval for row in rows],
            "marker": {"color": OURS, "size": size},
            "error_y": {
                "type": "data", "symmetric": False, "array": above, "arrayminus": below,
                "color": OURS, "thickness": 1, "width": 0,
            },
            "hovertemplate": "%{x}<br>recall %{y:.3f} of %{customdata:,} pictures<extra></extra>",
        }
    ]  # fmt: skip
    if any(row.baseline_recall is not None for row in rows):
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": BASELINE_NAME, "x": names,
                "y": [row.baseline_recall for row in rows],
                "marker": {
                    "color": THEIRS, "size": size, "symbol": "diamond-open", "line": {"width": 1.5}
                },
                "hovertemplate": "%{x}<br>served model: recall %{y:.3f}<extra></extra>",
            }
        )  # fmt: skip
    return Chart(
        label=f"Recall of {len(rows)} breeds, sorted, from {in_figures(recalls[0])} for "
        f"{rows[0].breed} down to {in_figures(recalls[-1])} for {rows[-1].breed}. "
        "The table below has every number.",
        traces=traces,
        layout=layout(
            {
                "type": "category", "tickangle": -60 if len(rows) > 8 else "auto",
                "tickfont": {"size": 11}, "showgrid": False,
                "labelalias": short_ticks([row.breed for row in rows]),
                "range": [-0.8, len(rows) - 0.2],
            },
            {"title": "recall", "range": [-0.02, 1.02]},
            dragmode="zoom",
        ),
        height=400,
    )  # fmt: skip


_COUNTS_TOP, _DIAGRAM_BOTTOM = 0.2, 0.28  # of the chart's height


def draw_calibration(calibration: Calibration) -> Chart | None:
    """Draws the reliability diagram above a histogram of the confidences; None without answers."""
    bins = calibration.bins
    if not bins:
        return None
    middles = [(each.low + each.high) / 2 for each in bins]
    return Chart(
        label=f"Reliability diagram: the share of right answers against their mean probability, in "
        f"{len(bins)} bins. On average the two are {in_figures(calibration.ece)} apart.",
        traces=[
            {
                "type": "scatter", "x": [0, 1], "y": [0, 1], "mode": "lines",
                "line": {"color": QUIET, "width": 1.5, "dash": "dot"},
                "name": "perfectly calibrated", "hoverinfo": "skip",
            },
            {
                "type": "scatter", "mode": "lines+markers", "name": "this model",
                "x": [each.confidence for each in bins], "y": [each.accuracy for each in bins],
                "customdata": [each.count for each in bins],
                "line": {"color": OURS, "width": 2.5}, "marker": {"color": OURS, "size": 9},
                "hovertemplate": "says %{x:.3f}, is right in %{y:.3f}<br>%{customdata:,} answers"
                "<extra></extra>",
            },
            {
                "type": "bar", "x": middles, "y": [each.count for each in bins], "yaxis": "y2",
                "width": [(each.high - each.low) * 0.9 for each in bins],
                "marker": {"color": OURS}, "opacity": 0.55, "showlegend": False,
                "customdata": [[each.low, each.high] for each in bins],
                "hovertemplate": "%{y:,} answers between %{customdata[0]:.2f} and "
                "%{customdata[1]:.2f}<extra></extra>",
            },
        ],
        layout=layout(
            {"title": "probability of the breed named", "range": [0, 1], "anchor": "y2"},
            {"title": "share that is right", "range": [0, 1.02], "domain": [_DIAGRAM_BOTTOM, 1]},
            yaxis2=axis("answers", domain=[0, _COUNTS_TOP], nticks=3),
        ),
        height=460,
    )  # fmt: skip


_NUMBERED_BREEDS = 16  # up to so many, counts are written into the cells
_CELL_PX, _MIN_PX, _MAX_PX = 56, 380, 900


def draw_confusion(confusion: Confusion) -> Chart | None:
    """Draws the matrix with confused breeds beside each other; None without eval pictures."""
    order = confusion.order or tuple(range(len(confusion.breeds)))
    if not any(map(any, confusion.counts)):
        return None
    names = escaped(confusion.breeds[label] for label in order)
    numbered = len(names) <= _NUMBERED_BREEDS
    rows = [[confusion.counts[truth][named] for named in order] for truth in order]
    right = sum(row[position] for position, row in enumerate(rows))
    total = sum(map(sum, rows))
    ticks = {
        "type": "category", "showgrid": False, "tickfont": {"size": 11}, "ticks": "",
        "range": [-0.5, len(names) - 0.5],
        "labelalias": short_ticks(confusion.breeds),
    }  # fmt: skip
    return Chart(
        label=f"Confusion matrix of {len(names)} breeds: rows are the true breed, columns the one "
        f"named. {right:,} of {total:,} pictures lie on the diagonal, named rightly. "
        "The pairs below name the most frequent errors.",
        traces=[
            _layer(names, rows, numbered, "wrong", on_diagonal=False),
            _layer(names, rows, numbered, "right", on_diagonal=True),
        ],
        layout=layout(
            {"title": "named", **ticks, "tickangle": -90},
            {"title": "true breed", **ticks, "range": [len(names) - 0.5, -0.5]},
            dragmode="zoom",
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
        ),
        height=min(_MAX_PX, max(_MIN_PX, _CELL_PX * len(names))),
    )


def _layer(
    names: list[str], rows: list[list[int]], numbered: bool, kind: str, *, on_diagonal: bool
) -> dict[str, Any]:
    """Returns the cells on or off the diagonal that hold a picture, as shares of their row."""

    def cells(of_cell: dict[str, list[list[Any]]], truth: int, named: int) -> None:
        count, total = rows[truth][named], sum(rows[truth])
        shown = count > 0 and (truth == named) == on_diagonal
        of_cell["z"][truth].append(round(count / total, 4) if shown else None)
        of_cell["text"][truth].append(count if shown else "")
        of_cell["customdata"][truth].append(total if shown else None)

    layers: dict[str, list[list[Any]]] = {
        key: [[] for _ in names] for key in ("z", "text", "customdata")
    }
    for truth in range(len(names)):
        for named in range(len(names)):
            cells(layers, truth, named)
    share = max((cell for row in layers["z"] for cell in row if cell is not None), default=1.0)
    says = "%{y}: right in" if on_diagonal else "%{y} named %{x}"
    return {
        "type": "heatmap", "x": names, "y": names, **layers,
        "zmin": 0, "zmax": 1 if on_diagonal else share,
        "colorscale": [[0, f"--{kind}-low"], [1, f"--{kind}-{'mid' if numbered else 'high'}"]],
        "showscale": False, "hoverongaps": False, "xgap": 1 if numbered else 0.3,
        "ygap": 1 if numbered else 0.3, "name": kind,
        "hovertemplate": f"{says} %{{text}} of %{{customdata}}<extra></extra>",
        **({"texttemplate": "%{text}", "textfont": {"color": "--ink"}} if numbered else {}),
    }  # fmt: skip


_COLOURS = (OURS, WRONG, THEIRS, QUIET)
_DASHES = ("solid", "dot", "dash", "dashdot")


def draw_splits(data: Data) -> Chart | None:
    """Draws how many pictures of each breed each split has; None where all breeds have as many."""
    splits = [split for split in data.splits if len(split.by_breed) == len(data.breeds)]
    if not any(len(set(split.by_breed)) > 1 for split in splits):
        return None
    totals = [sum(split.by_breed[label] for split in splits) for label in range(len(data.breeds))]
    order = sorted(range(len(data.breeds)), key=lambda label: (-totals[label], label))
    names = escaped(data.breeds[label] for label in order)
    return Chart(
        label=f"Pictures of each of {len(names)} breeds and each split, from {totals[order[0]]:,} "
        f"of {data.breeds[order[0]]} down to {totals[order[-1]]:,} of {data.breeds[order[-1]]}.",
        traces=[
            {
                "type": "bar", "name": split.name, "x": names,
                "y": [split.by_breed[label] for label in order],
                "marker": {"color": _COLOURS[index % len(_COLOURS)]},
                "hovertemplate": f"%{{x}}<br>%{{y:,}} in {escaped([split.name])[0]}<extra></extra>",
            }
            for index, split in enumerate(splits)
        ],
        layout=layout(
            {
                "type": "category", "showgrid": False, "tickfont": {"size": 11},
                "labelalias": short_ticks(data.breeds),
                "tickangle": -60 if len(names) > 8 else "auto",
            },
            {"title": "pictures"},
            barmode="stack",
            bargap=0.15,
            dragmode="zoom",
        ),
        height=360,
    )  # fmt: skip


def draw_histograms(histograms: Sequence[Histogram]) -> list[Chart]:
    """Draws each feature's spread in every split, one chart a feature.

    What is the same in all pictures is not spread, and not drawn.
    """
    features = dict.fromkeys(each.feature for each in histograms)
    drawn = (
        (feature, [each for each in histograms if each.feature == feature and any(each.counts)])
        for feature in features
    )
    return [
        _histogram(feature, splits)
        for feature, splits in drawn
        if len({end for split in splits for end in (split.minimum, split.maximum)}) > 1
    ]


def _histogram(feature: str, splits: Sequence[Histogram]) -> Chart:
    """Draws one feature's outline in each split.

    Splits differ in size and in where their bins lie, so what is drawn is the density: the share
    of the split's pictures over the bin's width.
    """
    traces = []
    for index, split in enumerate(splits):
        total = sum(split.counts)
        widths = [high - low for low, high in zip(split.edges[:-1], split.edges[1:], strict=True)]
        bins = [
            count / total / width if width > 0 else 0.0
            for count, width in zip(split.counts, widths, strict=True)
        ]
        shares = [count / total for count in split.counts]
        colour = _COLOURS[index % len(_COLOURS)]
        traces.append(
            {
                # Each bin's value holds up to the next edge; the outline comes down at both ends.
                "type": "scatter", "mode": "lines", "name": split.split,
                "x": [split.edges[0], *split.edges], "y": [0.0, *bins, 0.0],
                "customdata": [0.0, *shares, 0.0],
                "line": {
                    "shape": "hv", "color": colour, "width": 2,
                    "dash": _DASHES[index % len(_DASHES)],
                },
                **({"fill": "tozeroy", "fillcolor": "--series-1-faint"} if index == 0 else {}),
                "hovertemplate": "from %{x:,.4~g}: share %{customdata:.3f}<extra></extra>",
            }
        )  # fmt: skip
    return Chart(
        label=f"How {feature} is spread: the share of pictures, for "
        f"{' and '.join(split.split for split in splits)}. The table has the figures.",
        traces=traces,
        layout=layout(
            {"title": feature, "showgrid": False, "nticks": 6},
            {"showticklabels": False, "rangemode": "tozero", "title": "share of pictures"},
            margin={"l": 28, "r": 12, "t": 28, "b": 42},
        ),
        height=220,
    )


_HEIGHT = 270


def draw_training(epochs: Sequence[Epoch]) -> dict[str, Chart]:
    """Draws what was measured; nothing of a training of one epoch, which has no curve."""
    if len(epochs) < 2:
        return {}
    charts = {
        "training_loss": _curves(
            epochs, "loss",
            {"train": [each.loss for each in epochs], "eval": [each.val_loss for each in epochs]},
        ),
        "training_accuracy": _curves(
            epochs, "accuracy",
            {
                "train": [each.accuracy for each in epochs],
                "eval": [each.val_accuracy for each in epochs],
            },
        ),
        "training_rate": _curves(
            epochs, "learning rate", {"": [each.learning_rate for each in epochs]}
        ),
    }  # fmt: skip
    return {name: chart for name, chart in charts.items() if chart is not None}


def _curves(
    epochs: Sequence[Epoch], title: str, series: dict[str, list[float | None]]
) -> Chart | None:
    """Draws one or two curves; None if nothing was measured."""
    measured = {name: ys for name, ys in series.items() if any(y is not None for y in ys)}
    if not measured:
        return None
    looks: dict[str, dict[str, Any]] = {
        "train": {"color": WRONG, "width": 2, "dash": "dot"},
        "eval": {"color": OURS, "width": 2.5},
        "": {"color": QUIET, "width": 2, "shape": "hv"},
    }
    numbers = [each.epoch for each in epochs]
    return Chart(
        label=f"{title.capitalize()} over {len(epochs)} epochs. "
        "The table of epochs has every number.",
        traces=[
            {
                "type": "scatter", "mode": "lines", "x": numbers, "y": ys, "line": looks[name],
                "name": name or title, "showlegend": bool(name), "connectgaps": True,
                "hovertemplate": f"epoch %{{x}}: {name} {title} %{{y:.4~g}}<extra></extra>",
            }
            for name, ys in measured.items()
        ],
        layout=layout(
            {"title": "epoch", "showgrid": False},
            {"title": title, "rangemode": "tozero", "exponentformat": "none"},
        ),
        height=_HEIGHT,
    )  # fmt: skip
