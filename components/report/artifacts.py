"""What the report leaves: on a cluster, what Kubeflow's UI shows of a run."""

from __future__ import annotations

from tfx.types import Artifact

REPORT_FILE = "report.html"
"""The one file in a `RunReport`."""
FACTS_FILE = "facts.json"
"""File beside it: the figures of the report, for programs."""


class RunReport(Artifact):
    """A self-contained HTML page; `system.HTML` on Kubeflow."""

    TYPE_NAME = "RunReport"


class RunMetrics(Artifact):
    """Scalars as custom properties; `system.Metrics` on Kubeflow."""

    TYPE_NAME = "RunMetrics"


class RunClassification(Artifact):
    """A confusion matrix as a custom property; `system.ClassificationMetrics` on Kubeflow."""

    TYPE_NAME = "RunClassification"
