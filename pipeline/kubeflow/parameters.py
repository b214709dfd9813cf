"""What users change between runs: the pipeline's parameters, and the steps that read them.

TFX's RuntimeParameter can stand for a whole property of a node, but most of these sit inside a
property that is JSON. So each is passed to its steps as a parameter of its own, and the step puts
it where it belongs (`pipeline.kubeflow.step.apply_parameters`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.config.config import Config

PREFIX = "pipeline_"
"""Begins the name of every input that a step has beside TFX's own."""
BOUNDS = PREFIX + "bounds"
"""Input of Evaluator: the configured bounds as JSON, which parameters change."""
DATA_FINGERPRINT = "data_fingerprint"
"""Output parameter of ImportExampleGen, which identifies the records for Tuner and Trainer."""
RECORDS_INPUT = PREFIX + "records"
"""Input artifact of the steps that read records, where those come from an object store."""
BOUND_PARAMETERS = {
    "min_accuracy": "Lower bound of the accuracy over the eval split.",
    "min_top_5_accuracy": "Lower bound of the top-5 accuracy over the eval split.",
    "max_accuracy_drop": "How much lower than the served model's the accuracy may be.",
}
"""Parameters that are settings of the Evaluator, with what they mean."""
DATA = "data"
"""Parameter: where the records are."""
PUSH_DESTINATION = "push_destination"
"""Parameter: the folder that the model server watches."""

DATA_STEPS = ("ImportExampleGen", "CuratedSchema")
"""Nodes that read the records themselves."""
TRAINING_STEPS = ("Tuner", "Trainer")
"""Nodes that train."""
REPORT = "Report"
"""Node that says what came out; it reads every parameter, to tell the values of its run."""
_TYPES = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}


@dataclass(frozen=True)
class PipelineParameter:
    """One parameter of the pipeline."""

    name: str
    """As users see it."""
    default: str | int | float
    """Its value where a run gives none."""
    description: str
    """What it means, for people."""
    steps: tuple[str, ...]
    """Nodes that read it."""

    @property
    def spec(self) -> dict[str, Any]:
        """The parameter as the pipeline's own input."""
        return {
            **self.type_spec,
            "defaultValue": self.default,
            "description": self.description,
            "isOptional": True,
        }

    @property
    def type_spec(self) -> dict[str, Any]:
        """The parameter as a step's input."""
        return {"parameterType": _TYPES[type(self.default)]}


def data_steps(config: Config) -> tuple[str, ...]:
    """Returns those of `DATA_STEPS` that read records with this configuration."""
    own_schema = config.data.infer_schema or config.data.curated_schema is not None
    return DATA_STEPS[:1] if own_schema else DATA_STEPS


def parameters_of(config: Config) -> list[PipelineParameter]:
    """Lists the parameters that a pipeline has, with defaults from its configuration.

    Args:
        config: the run's configuration, whose push destination is the cluster's.
    """
    readers, trainer, bounds = data_steps(config), config.trainer, config.evaluator
    training = (*TRAINING_STEPS, REPORT)
    parameters = [
        PipelineParameter(
            DATA,
            config.kubeflow.data,
            "Records that 'dogbreed convert' wrote.",
            (*readers, REPORT),
        ),
        PipelineParameter(
            "data_version",
            "",
            "Any word; another one makes a cached run look at the records anew.",
            readers,
        ),
        PipelineParameter("epochs", trainer.epochs, "Passes over the train split.", training),
        PipelineParameter(
            "learning_rate", float(trainer.learning_rate), "Peak learning rate.", training
        ),
        *(
            PipelineParameter(
                name, float(getattr(bounds, name)), description, ("Evaluator", REPORT)
            )
            for name, description in BOUND_PARAMETERS.items()
        ),
    ]
    if config.pusher.enabled:
        parameters.append(
            PipelineParameter(
                PUSH_DESTINATION,
                str(config.push_path),
                "Folder that the model server watches.",
                ("Baseline", "Pusher", REPORT),
            )
        )
    return parameters
