"""Nodes of the DAG and their properties. Free of TFX imports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.fingerprint import PROJECT, code_fingerprint

Parameters = Literal["data", "training", "bounds", "push_destination"]
"""Parameters of a run on a cluster, by kind: records, training, Evaluator bounds, push folder."""


@dataclass(frozen=True)
class Node:
    """A node of the DAG."""

    name: str
    """Name in the DAG and in the configuration."""
    code: tuple[str, ...] = ()
    """Our modules that it runs, beside what those import. Empty for a node of TFX alone."""
    files: tuple[str, ...] = ()
    """Glob patterns of files that these modules read, relative to the project's folder."""
    parameters: tuple[Parameters, ...] = ()
    """Pipeline parameters on Kubeflow that change it."""
    reads_records: bool = False
    opens_push_destination: bool = False
    """Whether it reads or writes the folder that a model server watches."""
    trains: bool = False
    """Whether it trains: on a GPU, with checkpoints."""
    cached: bool = True
    """Whether Kubeflow may reuse its results."""

    def fingerprint(self, files: Iterable[Path] = (), *, project: Path = PROJECT) -> str:
        """Fingerprints the code that it runs, and any further `files`."""
        own = [path for pattern in self.files for path in project.glob(pattern)]
        return code_fingerprint(self.code, files=[*own, *files], project=project)


IMPORT_EXAMPLE_GEN = Node("ImportExampleGen", parameters=("data",), reads_records=True)
STATISTICS_GEN = Node("StatisticsGen")
SCHEMA_GEN = Node("SchemaGen")
CURATED_SCHEMA = Node(
    "CuratedSchema", ("components.curated_schema",), parameters=("data",), reads_records=True
)
EXAMPLE_VALIDATOR = Node("ExampleValidator", ("components.example_validator",))
TRANSFORM = Node("Transform", ("trainer.preprocessing.transform",))
TUNER = Node("Tuner", ("trainer.tuning.tuner_fn",), parameters=("training",), trains=True)
TRAINER = Node("Trainer", ("trainer.training.run_fn",), parameters=("training",), trains=True)
BASELINE = Node(
    "Baseline",
    ("components.baseline",),
    parameters=("push_destination",),
    opens_push_destination=True,
    cached=False,  # its result depends on what was pushed meanwhile
)
EVALUATOR = Node(
    "Evaluator",
    # The configuration of the evaluation, a property of the node, names the second.
    ("components.evaluator.component", "components.evaluator.confusion_metrics"),
    parameters=("bounds",),
)
CANARY = Node("Canary", ("components.canary.component",))
PUSHER = Node(
    "Pusher",
    ("components.pusher.component",),
    parameters=("push_destination",),
    opens_push_destination=True,
)
REPORT = Node(
    "Report",
    ("components.report.component",),
    ("components/report/page/templates/*",),
    parameters=("data", "training", "bounds", "push_destination"),  # the report shows them
)

NODES = {
    node.name: node
    for node in (
        IMPORT_EXAMPLE_GEN,
        STATISTICS_GEN,
        SCHEMA_GEN,
        CURATED_SCHEMA,
        EXAMPLE_VALIDATOR,
        TRANSFORM,
        TUNER,
        TRAINER,
        BASELINE,
        EVALUATOR,
        CANARY,
        PUSHER,
        REPORT,
    )
}
"""All nodes by name, in topological order."""

RECORD_READERS = tuple(node.name for node in NODES.values() if node.reads_records)
TRAINING_NODES = tuple(node.name for node in NODES.values() if node.trains)
PUSH_DESTINATION_USERS = tuple(node.name for node in NODES.values() if node.opens_push_destination)


def nodes_changed_by(parameters: Parameters) -> tuple[str, ...]:
    """Returns the names of the nodes that a parameter of this kind changes."""
    return tuple(node.name for node in NODES.values() if parameters in node.parameters)
