"""Builds the charts of whether the model's probabilities can be relied on."""

from __future__ import annotations

from components.evaluator.results.values import Calibration
from components.report.page.charts import OURS, QUIET, Chart, axis, layout
from components.report.page.formats import format_number

_COUNTS_TOP, _DIAGRAM_BOTTOM = 0.2, 0.28  # of the chart's height


def draw_calibration(calibration: Calibration) -> Chart | None:
    """Draws the reliability diagram above a histogram of the confidences; None without answers."""
    bins = calibration.bins
    if not bins:
        return None
    return Chart(
        label=f"Reliability diagram: the share of right answers against their mean probability, in "
        f"{len(bins)} bins. On average the two are {format_number(calibration.ece)} apart.",
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
                "type": "bar", "yaxis": "y2", "x": [(each.low + each.high) / 2 for each in bins],
                "y": [each.count for each in bins],
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


def draw_kept(calibration: Calibration) -> Chart | None:
    """Draws the accuracy over the share of answers that are kept; None of a single threshold."""
    kept = calibration.kept
    if len(kept) < 2:
        return None
    least = min(each.accuracy for each in kept)
    return Chart(
        label="Accuracy over the share of eval pictures that are answered as the least probability "
        f"rises: {format_number(kept[-1].accuracy)} over all of them, "
        f"{format_number(kept[0].accuracy)} over the surest {format_number(kept[0].share)}.",
        traces=[
            {
                "type": "scatter", "mode": "lines", "name": "this model",
                "x": [each.share for each in kept], "y": [each.accuracy for each in kept],
                "customdata": [each.threshold for each in kept], "showlegend": False,
                "line": {"color": OURS, "width": 2.5},
                "hovertemplate": "%{x:.3f} of the pictures have a probability of %{customdata:.3f} "
                "or more<br>of these %{y:.3f} are right<extra></extra>",
            },
        ],
        layout=layout(
            {"title": "share of pictures answered", "range": [0, 1.01]},
            {"title": "accuracy over these", "range": [max(0, least - 0.05), 1.01]},
        ),
        height=320,
    )  # fmt: skip
