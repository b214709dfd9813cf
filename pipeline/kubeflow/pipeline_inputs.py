"""Connects a pipeline's parameters and records with the steps that read them."""

from __future__ import annotations

from typing import Any

from pipeline.config.config import Config
from pipeline.config.nodes import EVALUATOR, IMPORT_EXAMPLE_GEN, TRAINING_NODES
from pipeline.kubeflow.parameters import (
    BOUNDS,
    DATA,
    DATA_FINGERPRINT,
    PREFIX,
    RECORDS_INPUT,
    data_steps,
    parameters_of,
)
from pipeline.kubeflow.step.uris import is_object_store
from pipeline.kubeflow.system_types import DATASET, type_schema

_IMPORTER = "records"
_IMPORTED = "artifact"  # kfp's name of an importer's output
_RECORDS_TYPE = type_schema(DATASET)


def connect_inputs(spec: dict[str, Any], config: Config) -> None:
    """Adds parameters, the data fingerprint and an importer of records to a PipelineSpec.

    Names in `spec` are those of nodes; the push destination in `config` is the cluster's.
    """
    _add_parameters(spec, config)
    _add_data_fingerprint(spec)
    if is_object_store(config.kubeflow.data):
        _add_importer(spec, config)


def _add_parameters(spec: dict[str, Any], config: Config) -> None:
    parameters = parameters_of(config)
    inputs = spec["root"].setdefault("inputDefinitions", {})
    inputs["parameters"] = {each.name: each.spec for each in parameters}
    for parameter in parameters:
        for step in set(parameter.steps) & set(spec["components"]):
            source = {"componentInputParameter": parameter.name}
            _add_input(spec, step, PREFIX + parameter.name, parameter.type_spec, source)
    bounds = {"runtimeValue": {"constant": config.evaluator.model_dump_json()}}
    _add_input(spec, EVALUATOR.name, BOUNDS, {"parameterType": "STRING"}, bounds)


def _add_data_fingerprint(spec: dict[str, Any]) -> None:
    """Passes the records' fingerprint from ImportExampleGen to nodes that train."""
    outputs = spec["components"][IMPORT_EXAMPLE_GEN.name]["outputDefinitions"]
    outputs["parameters"] = {DATA_FINGERPRINT: {"parameterType": "STRING"}}
    source = {
        "taskOutputParameter": {
            "producerTask": IMPORT_EXAMPLE_GEN.name,
            "outputParameterKey": DATA_FINGERPRINT,
        }
    }
    for step in set(spec["components"]) & set(TRAINING_NODES):
        _add_input(spec, step, PREFIX + DATA_FINGERPRINT, {"parameterType": "STRING"}, source)
        _depend(spec, step, IMPORT_EXAMPLE_GEN.name)


def _add_importer(spec: dict[str, Any], config: Config) -> None:
    """Adds an importer of records in an object store, as an artifact."""
    spec["components"][_IMPORTER] = {
        "executorLabel": _IMPORTER,
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {_IMPORTED: {"artifactType": _RECORDS_TYPE}}},
    }
    spec["deploymentSpec"]["executors"][_IMPORTER] = {
        "importer": {"artifactUri": {"runtimeParameter": "uri"}, "typeSchema": _RECORDS_TYPE}
    }
    tasks = spec["root"]["dag"]["tasks"]
    tasks[_IMPORTER] = {
        "cachingOptions": {},
        "componentRef": {"name": _IMPORTER},
        "inputs": {"parameters": {"uri": {"componentInputParameter": DATA}}},
        "taskInfo": {"name": _IMPORTER},
    }
    source = {"taskOutputArtifact": {"producerTask": _IMPORTER, "outputArtifactKey": _IMPORTED}}
    for step in data_steps(config):
        artifacts = spec["components"][step]["inputDefinitions"].setdefault("artifacts", {})
        artifacts[RECORDS_INPUT] = {"artifactType": _RECORDS_TYPE}
        tasks[step]["inputs"].setdefault("artifacts", {})[RECORDS_INPUT] = source
        _depend(spec, step, _IMPORTER)


def _add_input(
    spec: dict[str, Any], step: str, name: str, kind: dict[str, Any], source: dict[str, Any]
) -> None:
    inputs = spec["components"][step].setdefault("inputDefinitions", {})
    inputs.setdefault("parameters", {})[name] = kind
    inputs = spec["root"]["dag"]["tasks"][step].setdefault("inputs", {})
    inputs.setdefault("parameters", {})[name] = source


def _depend(spec: dict[str, Any], step: str, upstream: str) -> None:
    task = spec["root"]["dag"]["tasks"][step]
    task["dependentTasks"] = sorted({*task.get("dependentTasks", ()), upstream})
