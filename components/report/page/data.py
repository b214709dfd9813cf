"""What was learned from: pictures per breed and split, and how their measures are spread."""

from __future__ import annotations

from collections.abc import Sequence

from components.report.facts import Data, Histogram
from components.report.page.charts import (
    OURS,
    QUIET,
    THEIRS,
    WRONG,
    Chart,
    escaped,
    layout,
    short_ticks,
)

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
