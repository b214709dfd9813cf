"""Defines the pipeline's parameters, which users change between runs, and the steps that read them.

TFX's RuntimeParameter replaces a whole property of a node, but most of these are inside a JSON
property. So each step gets them as extra inputs (see `pipeline.kubeflow.step.apply_parameters`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.evaluator.metrics import METRICS
from foundation.errors import UsageError
from pipeline.config.config import Config
from pipeline.config.nodes import CURATED_SCHEMA, NODES, RECORD_READERS, nodes_changed_by
from pipeline.kubeflow.package import Package

_IN_WORDS = {
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list in JSON",
    "STRUCT": "an object in JSON",
}
_JSON_TYPES = {"LIST": list, "STRUCT": dict}
_BOOLEANS = {"true": True, "false": False}


def typed_parameters(package: Package, typed: Sequence[str]) -> dict[str, Any]:
    """Parses `KEY=VALUE` strings into parameter values of the types that the package declares.

    Raises:
        UsageError: a parameter is unknown, missing, given twice or has an invalid value.
    """
    values: dict[str, Any] = {}
    for assignment in typed:
        name, separator, text = assignment.partition("=")
        if not (name and separator):
            raise UsageError(f"--param {assignment} is not KEY=VALUE.")
        if name in values:
            raise UsageError(f"--param {name} was given twice.")
        values[name] = _value(name, _known(package, name), text)
    missing = [
        name
        for name, spec in sorted(package.parameters.items())
        if not (name in values or "defaultValue" in spec or spec.get("isOptional"))
    ]
    if missing:
        raise UsageError(
            f"The pipeline {package.name} needs a value for {', '.join(missing)}: give --param."
        )
    return values


def _known(package: Package, name: str) -> Mapping[str, Any]:
    if name in package.parameters:
        return package.parameters[name]
    if not package.parameters:
        raise UsageError(f"--param {name}: the pipeline {package.name} takes no parameters.")
    close = difflib.get_close_matches(name, package.parameters, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"--param {name}: the pipeline {package.name} has no such parameter.{hint} "
        f"There are {', '.join(sorted(package.parameters))}; other settings are compiled in."
    )


def _value(name: str, spec: Mapping[str, Any], text: str) -> Any:
    kind = str(spec.get("parameterType", "STRING"))
    try:
        return _parsed(kind, text)
    except ValueError:
        raise UsageError(f"--param {name} must be {_IN_WORDS[kind]}, not '{text}'.") from None


def _parsed(kind: str, text: str) -> Any:
    if kind == "NUMBER_INTEGER":
        return int(text)
    if kind == "NUMBER_DOUBLE":
        return _finite(float(text))
    if kind == "BOOLEAN":
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    if kind in _JSON_TYPES:
        value = json.loads(text)
        if not isinstance(value, _JSON_TYPES[kind]):
            raise ValueError(text)
        return value
    return text


def _finite(number: float) -> float:
    if number - number != 0:  # JSON has neither infinities nor not-a-number
        raise ValueError(number)
    return number


PREFIX = "pipeline_"
"""Prefix of the inputs that a step has in addition to TFX's."""
BOUNDS = PREFIX + "bounds"
"""Input of Evaluator: the configured bounds as JSON, before parameters change them."""
DATA_FINGERPRINT = "data_fingerprint"
"""Output parameter of ImportExampleGen: the records' fingerprint, for Tuner and Trainer."""
RECORDS_INPUT = PREFIX + "records"
"""Input artifact of the steps that read records, if those come from an object store."""
BOUND_PARAMETERS = {
    **{
        metric.bound: f"Lower bound of the {metric.title.lower()} over the eval split."
        for metric in METRICS
        if metric.bound is not None
    },
    "max_accuracy_drop": "How much lower than the served model's the accuracy may be.",
}
"""Descriptions of the parameters that are Evaluator settings; a pipeline has those with a value."""
DATA = "data"
"""Parameter: location of the records."""
PUSH_DESTINATION = "push_destination"
"""Parameter: the folder that the model server watches."""

_TYPES = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}


@dataclass(frozen=True)
class PipelineParameter:
    """A parameter of the pipeline, with the steps that read it."""

    name: str
    default: str | int | float
    description: str
    steps: tuple[str, ...]

    @property
    def spec(self) -> dict[str, Any]:
        """The parameter as an input of the pipeline."""
        return {
            **self.type_spec,
            "defaultValue": self.default,
            "description": self.description,
            "isOptional": True,
        }

    @property
    def type_spec(self) -> dict[str, Any]:
        """The parameter as an input of a step."""
        return {"parameterType": _TYPES[type(self.default)]}


def data_steps(config: Config) -> tuple[str, ...]:
    """Returns the names of the nodes that read records with this configuration."""
    own_schema = config.data.infer_schema or config.data.curated_schema is not None
    return tuple(step for step in RECORD_READERS if step != CURATED_SCHEMA.name or not own_schema)


def parameters_of(config: Config) -> list[PipelineParameter]:
    """Lists a pipeline's parameters, with defaults from its configuration for the cluster."""
    readers, trainer, bounds = data_steps(config), config.trainer, config.evaluator
    training = nodes_changed_by("training")
    parameters = [
        PipelineParameter(
            DATA,
            config.kubeflow.data,
            "Records that 'dogbreed convert' wrote.",
            tuple(
                step
                for step in nodes_changed_by("data")
                if step in readers or not NODES[step].reads_records
            ),
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
                name, float(getattr(bounds, name)), description, nodes_changed_by("bounds")
            )
            for name, description in BOUND_PARAMETERS.items()
            if getattr(bounds, name) is not None
        ),
    ]
    if config.pusher.enabled:
        parameters.append(
            PipelineParameter(
                PUSH_DESTINATION,
                str(config.push_path),
                "Folder that the model server watches.",
                nodes_changed_by("push_destination"),
            )
        )
    return parameters
