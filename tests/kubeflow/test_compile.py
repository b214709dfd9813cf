"""The compiled package, as the backend's own messages read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.components import load_component_from_text
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from foundation.errors import UserError
from pipeline.config.load import load_config
from pipeline.kubeflow.check import check_package
from pipeline.kubeflow.package import Package, load_package, write_package
from tests.kubeflow.conftest import CompileTiny

pytestmark = pytest.mark.slow

CONFIG = kubernetes_pb2.KubernetesExecutorConfig
NEW_MESSAGES = "tolerations" in CONFIG.DESCRIPTOR.fields_by_name
GPU = "nvidia.com/gpu"


def _executors(package: Package) -> dict[str, Any]:
    return dict(package.pipeline["deploymentSpec"]["executors"])


def _tasks(package: Package) -> dict[str, Any]:
    return dict(package.pipeline["root"]["dag"]["tasks"])


def test_pipeline_spec_is_what_kfp_reads(package: Package, tmp_path: Path) -> None:
    spec = json_format.ParseDict(package.pipeline, pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        package.pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )

    assert spec.schema_version == "2.1.0"
    assert {each.WhichOneof("spec") for each in deployment.executors.values()} == {"container"}
    assert {each.lifecycle.ByteSize() for each in _containers(deployment)} == {0}
    write_package(package, tmp_path / "pipeline.yaml")
    component = load_component_from_text((tmp_path / "pipeline.yaml").read_text())
    assert component.pipeline_spec == spec
    assert "kubernetes" in component.platform_spec.platforms
    assert load_package(tmp_path / "pipeline.yaml") == package
    assert check_package(package) == []


def test_trainer_alone_asks_for_a_gpu_and_its_nodes(package: Package) -> None:
    deployment = json_format.ParseDict(
        package.pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    accelerators = {
        label: (
            each.container.resources.accelerator.type,
            each.container.resources.accelerator.count,
        )
        for label, each in deployment.executors.items()
        if each.container.resources.HasField("accelerator")
    }
    asked = {label: package.kubernetes(label) for label in deployment.executors}

    assert accelerators == {"exec-trainer": (GPU, 1)}
    told = {
        label: {each.name: each.value for each in executor.container.env}
        for label, executor in deployment.executors.items()
    }
    assert {label: each for label, each in told.items() if each} == {
        "exec-trainer": {"DOGBREED_GPUS": "1"}
    }
    trainer = asked.pop("exec-trainer")
    assert trainer["nodeSelector"] == {"labels": {"nvidia.com/gpu.present": "true"}}
    assert trainer["tolerations"] == [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    assert not any({"nodeSelector", "tolerations"} & set(each) for each in asked.values())


@pytest.mark.skipif(not NEW_MESSAGES, reason="kfp-kubernetes 1.0 knows four of these fields")
def test_platform_spec_is_what_kfp_kubernetes_reads(compile_tiny: CompileTiny) -> None:
    package = compile_tiny("kubeflow.secrets={store: {env: [TOKEN=token]}}", "tuner.trials=2")
    configs = {
        label: json_format.ParseDict(package.kubernetes(label), CONFIG())
        for label in _executors(package)
    }

    with_gpu_nodes = {label for label, each in configs.items() if each.tolerations}
    assert with_gpu_nodes == {"exec-trainer", "exec-tuner"}
    assert {label for label, each in configs.items() if each.HasField("node_selector")} == (
        with_gpu_nodes
    )
    [mount] = configs["exec-pusher"].pvc_mount
    assert mount.pvc_name_parameter.runtime_value.constant.string_value == "dogbreed-models"
    assert all(each.secret_as_env[0].key_to_env[0].env_var == "TOKEN" for each in configs.values())


def test_settings_of_single_steps_reach_their_pods(compile_tiny: CompileTiny) -> None:
    package = compile_tiny(
        "kubeflow.image=registry/dogbreed:1",
        "kubeflow.gpu.image=registry/dogbreed:1-gpu",
        "kubeflow.gpu.tolerations=['pool=gpu:NoExecute']",
        "kubeflow.steps.Transform={memory_limit: 12Gi, retries: 5, backoff_s: 7, time_limit_s: 90}",
        "kubeflow.cpu.labels=[team=dogs]",
        "kubeflow.cache=true",
    )
    executors, tasks = _executors(package), _tasks(package)

    assert executors["exec-trainer"]["container"]["image"] == "registry/dogbreed:1-gpu"
    assert executors["exec-transform"]["container"]["image"] == "registry/dogbreed:1"
    assert executors["exec-transform"]["container"]["resources"]["memoryLimit"] == 12 * 2**30 / 1e9
    # Argo counts from the first try's start: six tries of 90 s, with 7, 14, 28, 56, 112 s between.
    assert tasks["transform"]["retryPolicy"] == {
        "maxRetryCount": 5,
        "backoffDuration": "7s",
        "backoffFactor": 2,
        "backoffMaxDuration": "757s",
    }
    transform, trainer = package.kubernetes("exec-transform"), package.kubernetes("exec-trainer")
    assert transform["activeDeadlineSeconds"] == "90"
    assert transform["podMetadata"]["labels"]["team"] == "dogs"
    assert trainer["tolerations"] == [
        {"key": "pool", "operator": "Equal", "value": "gpu", "effect": "NoExecute"}
    ]
    assert trainer["emptyDirMounts"][0]["mountPath"] == "/dev/shm"
    uncached = {name for name, each in tasks.items() if not each["cachingOptions"]["enableCache"]}
    assert uncached == {"baseline"}
    version = tasks["baseline"]["inputs"]["parameters"]["version"]
    assert version == {"runtimeValue": {"constant": "newest"}}


def test_steps_run_as_no_root_and_a_run_ends_and_goes_in_time(compile_tiny: CompileTiny) -> None:
    package = compile_tiny(
        "kubeflow.image_pull_secrets=[registry-key]",
        "kubeflow.run_time_limit_s=7200",
        "kubeflow.run_kept_s=86400",
    )
    elsewhere = compile_tiny("kubeflow.run_as_user=null")

    assert check_package(package) == []
    for label in _executors(package):
        asked = package.kubernetes(label)
        assert asked["securityContext"] == {
            "runAsUser": "10001",
            "runAsGroup": "10001",
            "runAsNonRoot": True,
        }
        [secret] = asked["imagePullSecret"]
        assert secret["secretName"] == "registry-key"
        assert "securityContext" not in elsewhere.kubernetes(label)
    assert package.platform["platforms"]["kubernetes"]["pipelineConfig"] == {
        "activeDeadlineSeconds": 7200,
        "resourceTtlOnCompletion": 86400,
        "resourceTtlOnSuccess": 86400,
        "resourceTtlOnFailure": 86400,
    }
    assert "pipelineConfig" not in elsewhere.platform["platforms"]["kubernetes"]


def test_what_users_change_are_parameters_with_defaults(package: Package) -> None:
    defaults = {name: spec["defaultValue"] for name, spec in package.parameters.items()}

    assert defaults == {
        "data": "/data",
        "data_version": "",
        "epochs": 20,
        "learning_rate": 0.005,
        "min_accuracy": 0.0,
        "min_top_5_accuracy": 0.0,
        "max_accuracy_drop": 1.0,
        "push_destination": "/models/sample",
    }
    read = {
        source["componentInputParameter"]
        for task in _tasks(package).values()
        for source in task["inputs"]["parameters"].values()
        if "componentInputParameter" in source
    }
    assert read == set(defaults)


def test_page_figures_and_matrix_are_what_kubeflow_shows(package: Package) -> None:
    components = package.pipeline["components"].values()
    declared = [
        artifact["artifactType"]
        for component in components
        for side in ("inputDefinitions", "outputDefinitions")
        for artifact in component.get(side, {}).get("artifacts", {}).values()
    ]
    outputs = package.pipeline["components"]["comp-report"]["outputDefinitions"]["artifacts"]
    read = _tasks(package)["report"]["inputs"]["parameters"].values()

    # Backends without ML Metadata know no other types than kfp's own.
    known = {getattr(each, "schema_title", None) for each in vars(dsl).values()}
    assert {each["schemaTitle"] for each in declared} <= known
    assert {key: each["artifactType"] for key, each in outputs.items()} == {
        "report": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"},
        "metrics": {"schemaTitle": "system.Metrics", "schemaVersion": "0.0.1"},
        "classification": {
            "schemaTitle": "system.ClassificationMetrics",
            "schemaVersion": "0.0.1",
        },
    }
    changed = {each.get("componentInputParameter") for each in read} - {None}
    assert changed == set(package.parameters) - {"data_version"}


def test_records_of_an_object_store_are_imported(compile_tiny: CompileTiny) -> None:
    package = compile_tiny("kubeflow.data=s3://dogs/records", "name=dogs.v1")

    assert check_package(package) == []
    assert package.name == "dogs.v1"
    assert package.parameters["data"]["defaultValue"] == "s3://dogs/records"
    assert "importer" in _executors(package)["exec-records"]
    for task in ("import-example-gen", "curated-schema"):
        [source] = _tasks(package)[task]["inputs"]["artifacts"].values()
        assert source["taskOutputArtifact"]["producerTask"] == "records"
        assert "pvcMount" not in package.kubernetes(f"exec-{task}")


def test_compiling_twice_gives_the_same_bytes_without_a_path_of_this_machine(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for seed, path in enumerate(paths):
        subprocess.run(
            [Path(sys.executable).with_name("dogbreed"), "compile", "-o", path],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=tmp_path,
            check=True,
        )

    text = paths[0].read_text()
    assert text == paths[1].read_text()
    assert str(tmp_path) not in text
    assert str(Path(__file__).parents[2]) not in text
    assert "&id" not in text  # no anchors: the file is to be read by people


def test_impossible_pod_is_refused_in_words() -> None:
    with pytest.raises(UserError, match=r"memory_request 9Gi is more than memory_limit 8Gi"):
        load_config(None, ["kubeflow.steps.Transform={memory_request: 9Gi}"])
    with pytest.raises(UserError, match=r"kubeflow\.cpu\.tolerations"):
        load_config(None, ["kubeflow.cpu.tolerations=[gpu]"])


def _containers(deployment: Any) -> list[Any]:
    return [each.container for each in deployment.executors.values()]
