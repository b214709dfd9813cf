"""The nodes of the DAG, and what each is to whoever runs it. Free of TFX imports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.fingerprint import PROJECT, code_fingerprint

Parameters = Literal["data", "training", "bounds", "push_destination"]
"""What may be given to a run on a cluster: where the records are, settings of the training, bounds
of the Evaluator, and the folder that a model server watches."""


@dataclass(frozen=True)
class Node:
    """One node."""

    name: str
    """What the DAG and the configuration call it."""
    code: tuple[str, ...] = ()
    """Modules of ours that it runs, beside what those import. Empty for a node of TFX alone."""
    files: tuple[str, ...] = ()
    """Patterns of files that these modules read, relative to the project's folder."""
    parameters: tuple[Parameters, ...] = ()
    """Parameters of a pipeline on Kubeflow that change it."""
    reads_records: bool = False
    """Whether it reads the records that `dogbreed convert` wrote, from their volume."""
    opens_push_destination: bool = False
    """Whether it reads or writes the folder that a model server watches."""
    trains: bool = False
    """Whether it trains: on a GPU, with checkpoints, and aware of what the records are."""
    cached: bool = True
    """Whether Kubeflow may reuse its results."""

    def fingerprint(self, files: Iterable[Path] = (), *, project: Path = PROJECT) -> str:
        """Returns the fingerprint of the code that it runs.

        Args:
            files: files that count too.
            project: folder of the packages.
        """
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
    cached=False,  # what it finds depends on what was pushed meanwhile
)
EVALUATOR = Node(
    "Evaluator",
    # The second is named by the configuration of the evaluation, a property of the node.
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
    parameters=("data", "training", "bounds", "push_destination"),  # it tells those of its run
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
"""All nodes that a DAG may have by their names, in the order in which they run."""

RECORD_READERS = tuple(node.name for node in NODES.values() if node.reads_records)
"""Names of the nodes that read the records."""
TRAINING_NODES = tuple(node.name for node in NODES.values() if node.trains)
"""Names of the nodes that train."""
PUSH_DESTINATION_USERS = tuple(node.name for node in NODES.values() if node.opens_push_destination)
"""Names of the nodes that open the folder that a model server watches."""


def nodes_changed_by(parameters: Parameters) -> tuple[str, ...]:
    """Returns the names of the nodes that a parameter of such a kind changes."""
    return tuple(node.name for node in NODES.values() if parameters in node.parameters)
