"""Converts the launcher's ExecutorInput for TFX, and TFX's ExecutorOutput for the launcher.

Both are in JSON form: versions of the backend differ in fields that TFX need not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foundation.names import KEPT_AS_PROPERTY, KEPT_AT_PROPERTY
from pipeline.kubeflow.step.uris import Places
from pipeline.kubeflow.system_types import METRICS, is_number, title_of

Message = dict[str, Any]


def for_tfx(
    executor_input: Message, inputs_spec: Message, outputs_spec: Message, places: Places
) -> Message:
    """Returns an ExecutorInput that TFX can read.

    URIs become local paths and artifacts get the types in the specs, messages ComponentInputsSpec
    and ComponentOutputsSpec as TFX compiled them. Artifacts that the specs lack, such as the
    backend's `executor-logs`, and null metadata are dropped. Inputs get the backend's names and
    URIs as custom properties.
    """
    inputs, outputs = executor_input.get("inputs", {}), executor_input["outputs"]
    return {
        "inputs": {
            "parameterValues": dict(inputs.get("parameterValues", {})),
            "artifacts": _with_origins(_artifacts(inputs, inputs_spec, places), inputs),
        },
        "outputs": {
            "artifacts": _artifacts(outputs, outputs_spec, places),
            "outputFile": places.local(outputs["outputFile"]),
        },
    }


def for_launcher(
    executor_output: Message,
    executor_input: Message,
    parameters: Mapping[str, str],
    places: Places,
) -> Message:
    """Returns an ExecutorOutput that the launcher can read.

    Paths become URIs again. Null values are dropped, and values of metrics that are no numbers,
    such as the version that TFX adds: newer launchers fail at either. `executor_input`, from the
    backend, has the outputs' types; `parameters` are output parameters; `places` is the object
    given to `for_tfx`.
    """
    given = executor_input["outputs"].get("artifacts", {})
    artifacts = {}
    for key, listed in executor_output.get("artifacts", {}).items():
        numbers_only = title_of(given[key]["artifacts"][0]) == METRICS
        artifacts[key] = {
            "artifacts": [
                {
                    "uri": places.remote(artifact["uri"]),
                    "metadata": {
                        name: places.remote(value) if isinstance(value, str) else value
                        for name, value in artifact.get("metadata", {}).items()
                        if (is_number(value) if numbers_only else value is not None)
                    },
                }
                for artifact in listed["artifacts"]
            ]
        }
    return {"artifacts": artifacts, **({"parameterValues": {**parameters}} if parameters else {})}


def _artifacts(messages: Message, spec: Message, places: Places) -> Message:
    given = messages.get("artifacts", {})
    return {
        key: {
            "artifacts": [
                _artifact(artifact, declared["artifactType"], places)
                for artifact in given[key]["artifacts"]
            ]
        }
        for key, declared in spec.get("artifacts", {}).items()
        if key in given
    }


def _with_origins(artifacts: Message, given: Message) -> Message:
    for key, listed in artifacts.items():
        for artifact, original in zip(
            listed["artifacts"], given["artifacts"][key]["artifacts"], strict=True
        ):
            artifact["metadata"][KEPT_AS_PROPERTY] = artifact["name"]
            artifact["metadata"][KEPT_AT_PROPERTY] = original["uri"]
    return artifacts


def _artifact(artifact: Message, artifact_type: Message, places: Places) -> Message:
    metadata = artifact.get("metadata") or {}
    return {
        # TFX's Evaluator records the names of models, and fails without.
        "name": artifact.get("name") or artifact["uri"],
        "uri": places.local(artifact["uri"]),
        "type": artifact_type,
        "metadata": {key: value for key, value in metadata.items() if value is not None},
    }
