"""`dogbreed`: the command line."""

from __future__ import annotations

# Each module joins `app` when it is imported; `--help` lists them in this order.
# isort: off
import pipeline.commands.run
import pipeline.commands.report
import pipeline.commands.history
import pipeline.commands.rollback
import pipeline.commands.serve
import pipeline.commands.predict
import pipeline.commands.demo
import pipeline.commands.compare
import pipeline.commands.compile
import pipeline.commands.rehearse
import pipeline.commands.submit
import pipeline.commands.runs
import pipeline.commands.logs
import pipeline.commands.convert
import pipeline.commands.sample
import pipeline.commands.models
import pipeline.commands.settings
import pipeline.commands.tensorboard
import pipeline.commands.image  # noqa: F401

# isort: on
from pipeline.commands.app import app


def main() -> None:
    """Entry point of the `dogbreed` command."""
    app()
