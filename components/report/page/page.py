"""Renders a report's facts as one self-contained HTML file."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.evaluator.results.values import BASELINE_NAME
from components.report.facts import ReportFacts
from components.report.page import formats
from components.report.page.calibration_charts import draw_calibration, draw_kept
from components.report.page.charts import (
    Chart,
    draw_confusion,
    draw_histograms,
    draw_recalls,
    draw_splits,
    draw_training,
)

_TEMPLATES = Path(__file__).with_name("templates")
_STYLES = ("page.css", "parts.css", "print.css")
_SCRIPTS = ("theme.js", "matrix.js", "charts.js", "table.js", "page.js")  # in this order
_HEADLINE_FIGURES = 3  # how many figures stand in large type below the verdict


@dataclass(frozen=True)
class Section:
    """A part of the page; its template is `ID.html`, `short` its title in the table of contents."""

    id: str
    title: str
    short: str


def render(facts: ReportFacts) -> str:
    """Renders a report as an HTML document, to be written as UTF-8.

    It refers to no other address, and its policy forbids its scripts to request any.
    """
    charts = _draw(facts)
    histograms = draw_histograms(facts.data.histograms)
    histogram_names = [f"histogram_{number}" for number in range(len(histograms))]
    charts |= dict(zip(histogram_names, histograms, strict=True))
    scripts = [_plotly(), *(read_part(name) for name in _SCRIPTS)]
    return environment().get_template("report.html").render(
        facts=facts,
        verdict=facts.verdict,
        evaluation=facts.evaluation,
        sections=_sections(facts),
        charts=charts,
        charts_json={name: chart.to_json() for name, chart in charts.items()},
        histogram_names=histogram_names,
        headline_figures=facts.evaluation.figures[:_HEADLINE_FIGURES],
        baseline_name=BASELINE_NAME,
        has_baseline=any(figure.baseline is not None for figure in facts.evaluation.figures),
        style=Markup("\n".join(map(read_part, _STYLES))),
        plotly=Markup(scripts[0]),
        scripts=[Markup(script) for script in scripts[1:]],
        policy=formats.content_security_policy(scripts),
    )  # fmt: skip


def _sections(facts: ReportFacts) -> list[Section]:
    """Returns the non-empty parts of the page, in reading order."""
    evaluation, training, data, provenance = (
        facts.evaluation,
        facts.training,
        facts.data,
        facts.provenance,
    )
    sections = (
        (Section("figures", "How good it is", "How good"), evaluation.figures),
        (
            Section("calibration", "Whether its probabilities can be believed", "Calibration"),
            evaluation.calibration.bins,
        ),
        (Section("breeds", "Good and bad at what", "Breeds"), evaluation.breeds),
        (
            Section("confusion", "What it takes for what", "Confusion"),
            any(map(any, evaluation.confusion.counts)),
        ),
        (
            Section("robustness", "How it takes worse pictures", "Robustness"),
            evaluation.robustness,
        ),
        (Section("slices", "Parts of the eval split", "Slices"), evaluation.slices),
        (
            Section("galleries", "Pictures, right and wrong", "Pictures"),
            any(gallery.pictures for gallery in facts.galleries),
        ),
        (
            Section("training", "How it was trained", "Training"),
            training.epochs or training.pictures or training.network,
        ),
        (
            Section("data", "What it learned from", "Data"),
            data.splits or data.histograms or data.drifts or data.anomalies,
        ),
        (
            Section("audit", "What is odd about the pictures", "Odd pictures"),
            data.audit is not None and (data.audit.findings or data.audit.left_out),
        ),
        (
            Section("provenance", "Where it comes from, and how to do it again", "Provenance"),
            provenance.facts
            or provenance.artifacts
            or provenance.configuration
            or provenance.commands,
        ),
    )
    return [section for section, contents in sections if contents]


def _draw(facts: ReportFacts) -> dict[str, Chart]:
    """Draws every non-empty chart but the histograms."""
    evaluation = facts.evaluation
    charts = {
        "calibration": draw_calibration(evaluation.calibration),
        "kept": draw_kept(evaluation.calibration),
        "recalls": draw_recalls(evaluation.breeds),
        "confusion": draw_confusion(evaluation.confusion),
        "splits": draw_splits(facts.data),
        **draw_training(facts.training.epochs),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


@functools.cache
def environment(*templates: Path) -> Environment:
    """Returns Jinja's environment for pages in the report's style.

    Args:
        *templates: folders of templates; the report's own come after them.
    """
    environment = Environment(
        loader=FileSystemLoader([*templates, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "format_number": formats.format_number,
        "format_count": formats.format_count,
        "format_plain": formats.format_plain,
        "format_interval": formats.format_interval,
        "format_difference": formats.format_difference,
        "format_moment": formats.format_moment,
        "data_address": formats.data_address,
    }
    environment.globals |= {
        "against_baseline": formats.against_baseline,
        "bound_bar": formats.bound_bar,
        "count_of": formats.count_of,
        "difference": formats.difference,
        "figure_scale": formats.figure_scale,
        "first_frame": formats.first_frame,
        "missed_by": formats.missed_by,
        "shares": formats.SHARES,
        "size_of": formats.size_of,
    }
    return environment


@functools.cache
def read_part(name: str) -> str:
    """Returns a style sheet or script of the report by its file's name."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
