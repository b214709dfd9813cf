"""What the report leaves: on a cluster, what Kubeflow's UI shows of a run."""

from __future__ import annotations

from tfx.types import Artifact

from foundation.names import FACTS_FILE as FACTS_FILE
from foundation.names import REPORT_FILE as REPORT_FILE
from foundation.names import REPORT_TYPE

CONFIGURATION_FILE = "configuration.yaml"
"""File beside it: the run's configuration, as `dogbreed run --config` takes it."""


class RunReport(Artifact):
    """A self-contained HTML page; `system.HTML` on Kubeflow."""

    TYPE_NAME = REPORT_TYPE


class RunMetrics(Artifact):
    """Scalars as custom properties; `system.Metrics` on Kubeflow."""

    TYPE_NAME = "dogbreed.RunMetrics"


class RunClassification(Artifact):
    """A confusion matrix as a custom property; `system.ClassificationMetrics` on Kubeflow."""

    TYPE_NAME = "dogbreed.RunClassification"
