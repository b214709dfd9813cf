"""Builds the report's charts as Plotly figures.

A colour is the name of a custom property of the page's style sheet, such as `--accent`, which the
page resolves in the reader's theme.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from components.evaluator.results.values import BASELINE_NAME, BreedRow, Confusion
from components.report.facts import Data, Histogram, finite
from components.report.page.formats import format_number
from trainer.training.history import Epoch

OURS, THEIRS, WRONG, QUIET = "--series-1", "--series-3", "--series-2", "--quiet"
"""Colours of this model, of the served model, of errors, and of secondary marks."""
_TICK_LETTERS = 26
_LEVEL_BREEDS = 8  # more names than these do not fit side by side


@dataclass(frozen=True)
class Chart:
    """A Plotly chart with a text alternative."""

    label: str
    """One sentence for readers who cannot see it."""
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int
    """In CSS pixels."""

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON that the page's script reads; non-finite numbers are null."""
        return {
            "data": finite(self.traces),
            "layout": finite(self.layout | {"height": self.height}),
        }


def layout(x: dict[str, Any], y: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Returns a layout in the report's style; `others` take precedence."""
    font = {"family": "system-ui, sans-serif", "size": 13}
    return {
        "margin": {"l": 52, "r": 12, "t": 28, "b": 46},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {**font, "color": "--quiet"},
        "hoverlabel": {
            "bgcolor": "--card", "bordercolor": "--line", "font": {**font, "color": "--ink"}
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
        "dragmode": False, "xaxis": axis(**x), "yaxis": axis(**y), **others,
    }  # fmt: skip


def axis(title: str = "", **others: Any) -> dict[str, Any]:
    """Returns an axis in the report's style; `others` take precedence."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 13}},
        "gridcolor": "--grid", "linecolor": "--line", "zeroline": False, "automargin": True,
        **others,
    }  # fmt: skip


def escaped(names: Iterable[str]) -> list[str]:
    """Escapes names for Plotly, which renders some HTML."""
    return [html.escape(name, quote=False) for name in names]


def breed_axis(names: Iterable[str], **others: Any) -> dict[str, Any]:
    """Returns an axis of breeds: long names are shortened, and many names slanted."""
    names = list(names)
    long_names = [name for name in names if len(name) > _TICK_LETTERS]
    shortened = (f"{name[: _TICK_LETTERS - 1].rstrip()}…" for name in long_names)
    return {
        "type": "category", "showgrid": False, "tickfont": {"size": 11},
        "tickangle": -60 if len(names) > _LEVEL_BREEDS else None,
        "labelalias": dict(zip(escaped(long_names), escaped(shortened), strict=True)),
        **others,
    }  # fmt: skip


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
        label=f"Recall of {len(rows)} breeds, sorted, from {format_number(recalls[0])} for "
        f"{rows[0].breed} down to {format_number(recalls[-1])} for {rows[-1].breed}. "
        "The table below has every number.",
        traces=traces,
        layout=layout(
            breed_axis((row.breed for row in rows), range=[-0.8, len(rows) - 0.2]),
            {"title": "recall", "range": [-0.02, 1.02]},
            dragmode="zoom",
        ),
        height=400,
    )  # fmt: skip


_NUMBERED_BREEDS = 16  # up to so many, counts are written into the cells
_CELL_PX, _MIN_PX, _MAX_PX = 56, 380, 900


def draw_confusion(confusion: Confusion) -> Chart | None:
    """Draws the matrix with confused breeds beside each other; None without eval images."""
    order = confusion.order or tuple(range(len(confusion.breeds)))
    if not any(map(any, confusion.counts)):
        return None
    names = escaped(confusion.breeds[label] for label in order)
    numbered = len(names) <= _NUMBERED_BREEDS
    rows = [[confusion.counts[truth][named] for named in order] for truth in order]
    right, total = sum(row[place] for place, row in enumerate(rows)), sum(map(sum, rows))
    ends = [-0.5, len(names) - 0.5]
    return Chart(
        label=f"Confusion matrix of {len(names)} breeds: rows are the true breed, columns the one "
        f"named. {right:,} of {total:,} pictures lie on the diagonal, named rightly. "
        "The pairs below name the most frequent errors.",
        traces=[
            _layer(names, rows, numbered, "wrong", on_diagonal=False),
            _layer(names, rows, numbered, "right", on_diagonal=True),
        ],
        layout=layout(
            breed_axis(confusion.breeds, title="named", ticks="", tickangle=-90, range=ends),
            breed_axis(
                confusion.breeds, title="true breed", ticks="", tickangle=None, range=ends[::-1]
            ),
            dragmode="zoom",
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
        ),
        height=min(_MAX_PX, max(_MIN_PX, _CELL_PX * len(names))),
    )


def _layer(
    names: list[str], rows: list[list[int]], numbered: bool, kind: str, *, on_diagonal: bool
) -> dict[str, Any]:
    """Returns the non-empty cells on or off the diagonal, as fractions of their row."""

    def cells(value: Callable[[int, int], Any], empty: Any = None) -> list[list[Any]]:
        return [
            [
                value(count, sum(row)) if count and (truth == named) == on_diagonal else empty
                for named, count in enumerate(row)
            ]
            for truth, row in enumerate(rows)
        ]

    shares = cells(lambda count, total: round(count / total, 4))
    highest = max((cell for row in shares for cell in row if cell is not None), default=1.0)
    says = "%{y}: right in" if on_diagonal else "%{y} named %{x}"
    return {
        "type": "heatmap", "x": names, "y": names, "z": shares,
        "text": cells(lambda count, _: count, ""),
        "customdata": cells(lambda _, total: total),
        "zmin": 0, "zmax": 1 if on_diagonal else highest,
        "colorscale": [[0, f"--{kind}-low"], [1, f"--{kind}-{'mid' if numbered else 'high'}"]],
        "showscale": False, "hoverongaps": False, "xgap": 1 if numbered else 0.3,
        "ygap": 1 if numbered else 0.3, "name": kind,
        "hovertemplate": f"{says} %{{text}} of %{{customdata}}<extra></extra>",
        **({"texttemplate": "%{text}", "textfont": {"color": "--ink"}} if numbered else {}),
    }  # fmt: skip


_COLOURS = (OURS, WRONG, THEIRS, QUIET)
_DASHES = ("solid", "dot", "dash", "dashdot")


def draw_splits(data: Data) -> Chart | None:
    """Draws each split's image count of each breed; None where all breeds have as many."""
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
            breed_axis(data.breeds), {"title": "pictures"},
            barmode="stack", bargap=0.15, dragmode="zoom",
        ),
        height=360,
    )  # fmt: skip


def draw_histograms(histograms: Sequence[Histogram]) -> list[Chart]:
    """Draws each feature's distribution in every split, one chart a feature, without constants."""
    charts = []
    for feature in dict.fromkeys(each.feature for each in histograms):
        splits = [each for each in histograms if each.feature == feature and any(each.counts)]
        if len({end for split in splits for end in (split.minimum, split.maximum)}) > 1:
            charts.append(_histogram(feature, splits))
    return charts


def _histogram(feature: str, splits: Sequence[Histogram]) -> Chart:
    """Draws one feature's outline in each split.

    Splits differ in size and in where their bins lie, so the density is drawn: the fraction of the
    split's images over the bin's width.
    """
    traces = []
    for index, split in enumerate(splits):
        shares = [count / sum(split.counts) for count in split.counts]
        bins = [
            share / (high - low) if high > low else 0.0
            for share, (low, high) in zip(shares, pairwise(split.edges), strict=True)
        ]
        traces.append(
            {
                # A step at each edge; the outline returns to zero at both ends.
                "type": "scatter", "mode": "lines", "name": split.split,
                "x": [split.edges[0], *split.edges], "y": [0.0, *bins, 0.0],
                "customdata": [0.0, *shares, 0.0],
                "line": {
                    "shape": "hv", "width": 2,
                    "color": _COLOURS[index % len(_COLOURS)], "dash": _DASHES[index % len(_DASHES)],
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


def draw_training(epochs: Sequence[Epoch]) -> dict[str, Chart]:
    """Draws the training curves; none of a single epoch."""
    if len(epochs) < 2:
        return {}
    loss: dict[str, list[float | None]] = {
        "train": [each.loss for each in epochs],
        "eval": [each.val_loss for each in epochs],
    }
    accuracy: dict[str, list[float | None]] = {
        "train": [each.accuracy for each in epochs],
        "eval": [each.val_accuracy for each in epochs],
    }
    return {
        "training_loss": _curves(epochs, "loss", loss),
        "training_accuracy": _curves(epochs, "accuracy", accuracy),
        "training_rate": _curves(
            epochs, "learning rate", {"": [each.learning_rate for each in epochs]}
        ),
    }


_LOOKS: dict[str, dict[str, Any]] = {
    "train": {"color": WRONG, "width": 2, "dash": "dot"},
    "eval": {"color": OURS, "width": 2.5},
    "": {"color": QUIET, "width": 2, "shape": "hv"},
}


def _curves(
    epochs: Sequence[Epoch], title: str, series: Mapping[str, Sequence[float | None]]
) -> Chart:
    """Draws curves by their names in the legend, without those that were never measured."""
    return Chart(
        label=f"{title.capitalize()} over {len(epochs)} epochs. "
        "The table of epochs has every number.",
        traces=[
            {
                "type": "scatter", "mode": "lines", "line": _LOOKS[name],
                "x": [each.epoch for each in epochs], "y": ys,
                "name": name or title, "showlegend": bool(name), "connectgaps": True,
                "hovertemplate": f"epoch %{{x}}: {name} {title} %{{y:.4~g}}<extra></extra>",
            }
            for name, ys in series.items()
            if any(y is not None for y in ys)
        ],
        layout=layout(
            {"title": "epoch", "showgrid": False},
            {"title": title, "rangemode": "tozero", "exponentformat": "none"},
        ),
        height=270,
    )  # fmt: skip
