"""The recall of every breed, from the best known to the least known."""

from __future__ import annotations

from collections.abc import Sequence

from components.report.facts import BASELINE_NAME, BreedRow
from components.report.page.charts import OURS, THEIRS, Chart, escaped, layout, short_ticks
from components.report.page.formats import in_figures

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
