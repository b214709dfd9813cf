"""Compiles the DAG into a package for open-source Kubeflow Pipelines.

TFX's compiler targets a managed service. Only what the open-source backend ignores, refuses or
misses in its result is changed; `docs/kubeflow.md` says why.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from pipeline.config.config import Config
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.nodes import NODES
from pipeline.kubeflow import artifact_types, kfp_names
from pipeline.kubeflow.kfp_names import OUTPUTS_SPEC
from pipeline.kubeflow.package import Package
from pipeline.kubeflow.pipeline_inputs import connect_inputs
from pipeline.kubeflow.platform import (
    kubernetes_of,
    pipeline_config_of,
    resources_of,
    retry_policy_of,
)
from pipeline.kubeflow.step.gpus import GPUS_VARIABLE
from pipeline.pipeline import create_pipeline
from pipeline.plan import make_plan

_COMMAND = ["python", "-m", "pipeline.kubeflow.step"]


def compile_package(config: Config) -> Package:
    """Compiles the DAG; local folders in the configuration are replaced by the cluster's."""
    config = _on_cluster(config)
    spec, classes = _tfx_spec(config)
    spec["pipelineInfo"] = {
        "name": config.name,
        "description": "From dog pictures to a served model.",
    }
    if config.kubeflow.pipeline_root:
        spec["defaultPipelineRoot"] = config.kubeflow.pipeline_root
    steps: list[str] = sorted(spec["root"]["dag"]["tasks"])
    for step in steps:
        _finish_step(spec, step, config.kubeflow)
        _set_types(spec, step, classes)
    connect_inputs(spec, config)
    kfp_names.rename(spec)
    executors = {
        kfp_names.executor_label(step): kubernetes_of(config.kubeflow, step, config.name)
        for step in steps
    }
    kubernetes: dict[str, Any] = {"deploymentSpec": {"executors": executors}}
    if pipeline_config := pipeline_config_of(config.kubeflow):
        kubernetes["pipelineConfig"] = pipeline_config
    platform = {"platforms": {"kubernetes": kubernetes}}
    # A copy, so that nothing is shared: YAML would write it as anchor and alias.
    return Package(json.loads(json.dumps(spec)), platform)


def _on_cluster(config: Config) -> Config:
    destination = config.kubeflow.push_destination or f"/models/{config.name}"
    return config.model_copy(
        update={
            "pusher": config.pusher.model_copy(update={"destination": Path(destination)}),
        }
    )


def _tfx_spec(config: Config) -> tuple[dict[str, Any], dict[str, str]]:
    """Compiles with TFX; returns a PipelineSpec with nodes' names, and `classes_of` the DAG."""
    # TFX allows no full stops in names. It creates a folder for a metadata store that is not used.
    with tempfile.TemporaryDirectory() as root:
        local = {"name": config.name.replace(".", "-"), "root": Path(root)}
        dag = create_pipeline(config.model_copy(update=local), make_plan(config, None))
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(
            default_image=config.kubeflow.image,
            default_commands=_COMMAND,
            use_pipeline_spec_2_1=True,
        )
    )
    compiled = runner.run(dag, write_out=False)["pipelineSpec"]
    return json.loads(json.dumps(compiled)), artifact_types.classes_of(dag)


def _finish_step(spec: dict[str, Any], step: str, config: KubeflowConfig) -> None:
    pod = config.pod_of(step)
    container, task = _container(spec, step), spec["root"]["dag"]["tasks"][step]
    container.pop("lifecycle", None)  # the entry point runs ExampleGen's driver instead
    container["image"] = pod.image or config.image
    container["resources"] = resources_of(pod)
    if pod.gpus:
        container["env"] = [{"name": GPUS_VARIABLE, "value": str(pod.gpus)}]
    container["args"] = ["--step", step, *container["args"]]
    task["cachingOptions"] = {"enableCache": config.cache and NODES[step].cached}
    task["retryPolicy"] = retry_policy_of(pod)


def _set_types(spec: dict[str, Any], step: str, classes: dict[str, str]) -> None:
    """Declares artifacts with Kubeflow's types and passes TFX's to the entry point."""
    component = spec["components"][step]
    outputs = component["outputDefinitions"]["artifacts"]
    to_tfx = {
        key: {**declared, "artifactType": artifact_types.for_tfx(declared["artifactType"], classes)}
        for key, declared in outputs.items()
    }
    argument = json.dumps({"artifacts": to_tfx}, sort_keys=True)
    _container(spec, step)["args"] += [OUTPUTS_SPEC, argument]
    inputs = component.get("inputDefinitions", {}).get("artifacts", {})
    for declared in (*inputs.values(), *outputs.values()):
        declared["artifactType"] = artifact_types.for_kubeflow(declared["artifactType"])


def _container(spec: dict[str, Any], step: str) -> dict[str, Any]:
    label = spec["components"][step]["executorLabel"]
    container: dict[str, Any] = spec["deploymentSpec"]["executors"][label]["container"]
    return container
