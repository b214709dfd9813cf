"""Writes the Kubernetes settings of each step: the second document of a package."""

from __future__ import annotations

from typing import Any

from pipeline.config.kubeflow import KubeflowConfig, PodConfig, VolumeConfig, amount_of
from pipeline.config.nodes import RECORD_READERS
from pipeline.kubeflow.step.uris import is_object_store

_GIGABYTE = 1e9


def resources_of(pod: PodConfig) -> dict[str, Any]:
    """Returns CPU, memory and GPUs as message ResourceSpec.

    Cores and gigabytes are numbers, in the fields that every version of the backend reads.
    """
    resources: dict[str, Any] = {
        "cpuRequest": amount_of(pod.cpu_request),
        "cpuLimit": amount_of(pod.cpu_limit),
        "memoryRequest": amount_of(pod.memory_request) / _GIGABYTE,
        "memoryLimit": amount_of(pod.memory_limit) / _GIGABYTE,
    }
    if pod.gpus:
        resources["accelerator"] = {"type": pod.gpu_type, "count": str(pod.gpus)}
    return resources


_LONGEST_STEP_S = 7 * 24 * 3600


def retry_policy_of(pod: PodConfig) -> dict[str, Any]:
    """Returns retries as message RetryPolicy.

    Argo counts the maximum duration from the start of the first try, and Kubeflow's default is 0
    seconds, which allows no retry. So it covers every try with its wait.
    """
    waits_s = sum(pod.backoff_s * pod.backoff_factor**attempt for attempt in range(pod.retries))
    tries_s = (pod.retries + 1) * (pod.time_limit_s or _LONGEST_STEP_S)
    return {
        "maxRetryCount": pod.retries,
        "backoffDuration": f"{pod.backoff_s}s",
        "backoffFactor": pod.backoff_factor,
        "backoffMaxDuration": f"{waits_s + tries_s}s",
    }


def kubernetes_of(config: KubeflowConfig, step: str, pipeline_name: str) -> dict[str, Any]:
    """Returns a step's labels, volumes, secrets and so on as message KubernetesExecutorConfig."""
    pod = config.pod_of(step)
    labels = {
        "app.kubernetes.io/name": "dogbreed",
        "app.kubernetes.io/part-of": pipeline_name,
        "app.kubernetes.io/component": step.lower(),
        **_pairs(pod.labels),
    }
    written: dict[str, Any] = {"podMetadata": {"labels": labels}}
    if pod.node_selector:
        written["nodeSelector"] = {"labels": _pairs(pod.node_selector)}
    if pod.tolerations:
        written["tolerations"] = [_toleration(taint) for taint in pod.tolerations]
    if pod.shared_memory:
        written["emptyDirMounts"] = [
            {
                "volumeName": "shared-memory",
                "mountPath": "/dev/shm",
                "medium": "Memory",
                "sizeLimit": pod.shared_memory,
            }
        ]
    if pod.time_limit_s is not None:
        written["activeDeadlineSeconds"] = str(pod.time_limit_s)
    mounts = [
        {
            **_named("constant", "pvcNameParameter", claim),
            "mountPath": volume.mount_path,
            **({"subPath": volume.sub_path} if volume.sub_path else {}),
        }
        for claim, volume in config.volumes.items()
        if step in (volume.steps or (step,)) and not _is_spared(volume, config)
    ]
    if mounts:
        written["pvcMount"] = mounts
    secrets = [
        {
            **_named("secretName", "secretNameParameter", name),
            "keyToEnv": [
                {"envVar": variable, "secretKey": key}
                for variable, key in _pairs(secret.env).items()
            ],
        }
        for name, secret in config.secrets.items()
        if step in (secret.steps or (step,))
    ]
    if secrets:
        written["secretAsEnv"] = secrets
    if config.image_pull_secrets:
        written["imagePullSecret"] = [
            _named("secretName", "secretNameParameter", name) for name in config.image_pull_secrets
        ]
    if config.run_as_user is not None:
        # The backend adds the rest: no escalation, no capabilities, the runtime's seccomp profile.
        written["securityContext"] = {
            "runAsUser": str(config.run_as_user),
            "runAsGroup": str(config.run_as_user),
            "runAsNonRoot": True,
        }
    return written


def pipeline_config_of(config: KubeflowConfig) -> dict[str, int]:
    """Returns what holds for a run as a whole, as message PipelineConfig; empty if nothing does.

    It is all three times to live, since Argo fills those that are missing from the cluster's
    defaults, of which the more particular win.
    """
    written: dict[str, int] = {}
    if config.run_time_limit_s is not None:
        written["activeDeadlineSeconds"] = config.run_time_limit_s
    if config.run_kept_s is not None:
        for ending in ("Completion", "Success", "Failure"):
            written[f"resourceTtlOn{ending}"] = config.run_kept_s
    return written


def _is_spared(volume: VolumeConfig, config: KubeflowConfig) -> bool:
    """Returns whether a volume is only for records, and those come from an object store."""
    return is_object_store(config.data) and {*volume.steps} == {*RECORD_READERS}


def _named(old_field: str, field: str, name: str) -> dict[str, Any]:
    """Names a claim or secret twice, for backends before 2.4 and after, as kfp-kubernetes does."""
    return {old_field: name, field: {"runtimeValue": {"constant": name}}}


def _pairs(written: tuple[str, ...]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in written)


def _toleration(taint: str) -> dict[str, str]:
    label, _, effect = taint.rpartition(":")
    key, equals, value = label.partition("=")
    if not equals:
        return {"key": key, "operator": "Exists", "effect": effect}
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}
