"""From the one DAG to what open-source Kubeflow Pipelines takes.

TFX's own compiler writes for a managed service. Its result is kept as it is but for what the
open-source backend ignores, refuses or misses; `docs/kubeflow.md` says why.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from pipeline.config import Config
from pipeline.kubeflow.config import KubeflowConfig, StepName
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.parameters import (
    BOUNDS,
    DATA,
    DATA_FINGERPRINT,
    PREFIX,
    RECORDS_INPUT,
    TRAINING_STEPS,
    parameters_of,
)
from pipeline.kubeflow.platform import kubernetes_of, resources_of, retry_policy_of
from pipeline.kubeflow.uris import is_object_store
from pipeline.pipeline import create_pipeline
from pipeline.plan import plan_for_cluster

_COMMAND = ["python", "-m", "pipeline.kubeflow.step"]
_IMPORTER = "records"
_IMPORTED = "artifact"  # what kfp calls an importer's output
_RECORDS_TYPE = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
_NEVER_CACHED = {"Baseline"}  # what it finds depends on what was pushed meanwhile


def compile_package(config: Config) -> Package:
    """Compiles the DAG.

    Args:
        config: the run's configuration; local folders in it are replaced by the cluster's.
    """
    config = _on_cluster(config)
    spec = _tfx_spec(config)
    spec["pipelineInfo"] = {
        "name": config.name,
        "description": "From dog pictures to a served model.",
    }
    if config.kubeflow.pipeline_root:
        spec["defaultPipelineRoot"] = config.kubeflow.pipeline_root
    steps: list[StepName] = sorted(spec["root"]["dag"]["tasks"])
    for step in steps:
        _finish_step(spec, step, config.kubeflow)
    _add_parameters(spec, config)
    _add_data_fingerprint(spec, steps)
    if is_object_store(config.kubeflow.data):
        _add_importer(spec, steps)
    _rename(spec, steps)
    executors = {
        executor_label(step): kubernetes_of(config.kubeflow, step, config.name) for step in steps
    }
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    # A copy, so that nothing is shared: YAML would write it as anchor and alias.
    return Package(json.loads(json.dumps(spec)), platform)


def task_name(step: str) -> str:
    """Returns what a node is called in the package: `ImportExampleGen` is import-example-gen."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", step).lower()


def executor_label(step: str) -> str:
    """Returns what a node's executor is called in the package."""
    return f"exec-{task_name(step)}"


def _on_cluster(config: Config) -> Config:
    destination = config.kubeflow.push_destination or f"/models/{config.name}"
    return config.model_copy(
        update={
            "pusher": config.pusher.model_copy(update={"destination": Path(destination)}),
        }
    )


def _tfx_spec(config: Config) -> dict[str, Any]:
    """Compiles with TFX; every name in the result is a node's own."""
    # TFX's own idea of a name has no full stops. It makes a folder for a metadata store, of which
    # nothing is compiled.
    with tempfile.TemporaryDirectory() as root:
        local = {"name": config.name.replace(".", "-"), "root": Path(root)}
        dag = create_pipeline(config.model_copy(update=local), plan_for_cluster(config))
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(
            default_image=config.kubeflow.image,
            default_commands=_COMMAND,
            use_pipeline_spec_2_1=True,
        )
    )
    compiled = runner.run(dag, write_out=False)["pipelineSpec"]
    spec: dict[str, Any] = json.loads(json.dumps(compiled))
    return spec


def _finish_step(spec: dict[str, Any], step: StepName, config: KubeflowConfig) -> None:
    pod = config.pod_of(step)
    component, task = spec["components"][step], spec["root"]["dag"]["tasks"][step]
    container = _container(spec, step)
    container.pop("lifecycle", None)  # the entry point runs ExampleGen's driver itself
    container["image"] = pod.image or config.image
    container["resources"] = resources_of(pod)
    # kfp's local engine forgets artifact types, so that the entry point has to be told.
    outputs = json.dumps(component["outputDefinitions"], sort_keys=True)
    container["args"] = ["--step", step, *container["args"], "--outputs_spec", outputs]
    task["cachingOptions"] = {"enableCache": config.cache and step not in _NEVER_CACHED}
    task["retryPolicy"] = retry_policy_of(pod)


def _add_parameters(spec: dict[str, Any], config: Config) -> None:
    """Makes settings parameters of the pipeline, and hands them to the steps that read them."""
    parameters = parameters_of(config)
    inputs = spec["root"].setdefault("inputDefinitions", {})
    inputs["parameters"] = {each.name: each.spec for each in parameters}
    for parameter in parameters:
        for step in set(parameter.steps) & set(spec["components"]):
            source = {"componentInputParameter": parameter.name}
            _add_input(spec, step, PREFIX + parameter.name, parameter.type_spec, source)
    bounds = {"runtimeValue": {"constant": config.evaluator.model_dump_json()}}
    _add_input(spec, "Evaluator", BOUNDS, {"parameterType": "STRING"}, bounds)


def _add_data_fingerprint(spec: dict[str, Any], steps: list[StepName]) -> None:
    """Lets training know the records it learns from, which only ImportExampleGen sees."""
    outputs = spec["components"]["ImportExampleGen"]["outputDefinitions"]
    outputs["parameters"] = {DATA_FINGERPRINT: {"parameterType": "STRING"}}
    source = {
        "taskOutputParameter": {
            "producerTask": "ImportExampleGen",
            "outputParameterKey": DATA_FINGERPRINT,
        }
    }
    for step in set(steps) & set(TRAINING_STEPS):
        _add_input(spec, step, PREFIX + DATA_FINGERPRINT, {"parameterType": "STRING"}, source)
        _depend(spec, step, "ImportExampleGen")


def _add_importer(spec: dict[str, Any], steps: list[StepName]) -> None:
    """Fetches the records from an object store, as an artifact."""
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
    for step in steps:
        component = spec["components"][step]
        if PREFIX + DATA in component.get("inputDefinitions", {}).get("parameters", {}):
            artifacts = component["inputDefinitions"].setdefault("artifacts", {})
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


def _container(spec: dict[str, Any], step: str) -> dict[str, Any]:
    label = spec["components"][step]["executorLabel"]
    container: dict[str, Any] = spec["deploymentSpec"]["executors"][label]["container"]
    return container


def _rename(spec: dict[str, Any], steps: list[StepName]) -> None:
    """Gives tasks, components and executors the names that kfp's own compiler would give.

    kfp's local engine cuts "comp-" off a component's name, whether it is there or not.
    """
    dag = spec["root"]["dag"]
    components, executors, tasks = (
        spec["components"],
        spec["deploymentSpec"]["executors"],
        dag["tasks"],
    )
    spec["components"], spec["deploymentSpec"]["executors"], dag["tasks"] = {}, {}, {}
    for step, component in components.items():
        spec["deploymentSpec"]["executors"][executor_label(step)] = executors[
            component["executorLabel"]
        ]
        component["executorLabel"] = executor_label(step)
        spec["components"][f"comp-{task_name(step)}"] = component
    for step, task in tasks.items():
        task["componentRef"] = {"name": f"comp-{task_name(step)}"}
        if "dependentTasks" in task:
            task["dependentTasks"] = sorted(map(task_name, task["dependentTasks"]))
        for kind in ("artifacts", "parameters"):
            for source in task.get("inputs", {}).get(kind, {}).values():
                for output in source.values():
                    if isinstance(output, dict) and "producerTask" in output:
                        output["producerTask"] = task_name(output["producerTask"])
        dag["tasks"][task_name(step)] = task
