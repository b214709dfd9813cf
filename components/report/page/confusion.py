"""The confusion matrix as two layers, so that errors stand out from right answers."""

from __future__ import annotations

from typing import Any

from components.report.facts import Confusion
from components.report.page.charts import Chart, escaped, layout, short_ticks

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
