"""The curves of a training: loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.report.facts import Epoch
from components.report.page.charts import OURS, QUIET, WRONG, Chart, layout

_HEIGHT = 270


def draw_training(epochs: Sequence[Epoch]) -> dict[str, Chart]:
    """Draws what was measured; nothing of a training of one epoch, which has no curve."""
    if len(epochs) < 2:
        return {}
    charts = {
        "training_loss": _curves(
            epochs, "loss",
            {"train": [each.loss for each in epochs], "eval": [each.eval_loss for each in epochs]},
        ),
        "training_accuracy": _curves(
            epochs, "accuracy",
            {
                "train": [each.accuracy for each in epochs],
                "eval": [each.eval_accuracy for each in epochs],
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
