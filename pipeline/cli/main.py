"""Entry point of `dogbreed`: imports every command."""

from __future__ import annotations

# Each module joins `app` when it is imported; `--help` lists them in this order.
# isort: off
import pipeline.cli.train.run
import pipeline.cli.history.report
import pipeline.cli.history.review
import pipeline.cli.history.history
import pipeline.cli.history.rollback
import pipeline.cli.serving.serve
import pipeline.cli.serving.predict
import pipeline.cli.serving.demo
import pipeline.cli.train.compare
import pipeline.cli.kubeflow.compile
import pipeline.cli.kubeflow.rehearse
import pipeline.cli.kubeflow.submit
import pipeline.cli.kubeflow.runs
import pipeline.cli.kubeflow.logs
import pipeline.cli.data.convert
import pipeline.cli.data.sample
import pipeline.cli.train.models
import pipeline.cli.train.settings
import pipeline.cli.train.weights
import pipeline.cli.train.tensorboard
import pipeline.cli.kubeflow.image  # noqa: F401

# isort: on
from pipeline.cli.app import app


def main() -> None:
    """Runs the `dogbreed` command."""
    app()
