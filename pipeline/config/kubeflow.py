"""Settings of a run on a cluster, such as each step's pod. Free of TFX imports."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator
from typing_extensions import Self

from foundation.settings import Settings
from pipeline.config.nodes import (
    NODES,
    PUSH_DESTINATION_USERS,
    RECORD_READERS,
    TRAINING_NODES,
)

_FACTORS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def amount_of(quantity: str) -> float:
    """Parses a Kubernetes quantity, such as 500m or 8Gi, into cores or bytes.

    Raises:
        ValueError: it is not a quantity.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(\D*)", quantity)
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"'{quantity}' is no quantity such as 500m or 8Gi")
    return float(match[1]) * _FACTORS[match[2]]


def _known(name: str) -> str:
    if name not in NODES:
        raise ValueError(f"it should be one of {', '.join(NODES)}")
    return name


StepName = Annotated[str, AfterValidator(_known)]
Quantity = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
_Pair = Annotated[str, Field(pattern=r"^[^=\s]+=\S*$")]
_Taint = Annotated[
    str, Field(pattern=r"^[^=:\s]+(=[^:\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$")
]


class PodConfig(Settings):
    """Pod settings of a step. The defaults suit steps without a GPU."""

    image: str | None = None
    """Image of the step; nothing means `kubeflow.image`."""
    cpu_request: Quantity = "500m"
    """Processor that is set aside for the step: cores, or thousandths of one as in 500m."""
    cpu_limit: Quantity = "4"
    """Processor that the step may use at most."""
    memory_request: Quantity = "2Gi"
    """Memory that is set aside for the step."""
    memory_limit: Quantity = "8Gi"
    """Memory at which the step is killed."""
    gpus: int = Field(default=0, ge=0)
    """How many GPUs."""
    gpu_type: str = "nvidia.com/gpu"
    """What the cluster calls a GPU: the resource that its device plug-in announces."""
    node_selector: tuple[_Pair, ...] = ()
    """Labels that a node must have to run the step, `label=value` each."""
    tolerations: tuple[_Taint, ...] = ()
    """Taints of nodes that the step bears, as kubectl writes them: `key=value:NoSchedule`, or
    `key:NoSchedule` for any value."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm; nothing means what the container engine gives, often 64 MiB. It counts as
    memory of the step."""
    retries: int = Field(default=2, ge=0, le=20)
    """How often a failed step is tried again."""
    backoff_s: int = Field(default=30, ge=0)
    """Seconds before it is tried again."""
    backoff_factor: int = Field(default=2, ge=1)
    """By what the seconds are multiplied each time; Argo takes whole numbers only."""
    time_limit_s: int | None = Field(default=None, ge=1)
    """Seconds after which the step is stopped; nothing means never."""
    labels: tuple[_Pair, ...] = ()
    """Labels of the pod, `label=value` each."""

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> Self:
        for kind in ("cpu", "memory"):
            request, limit = getattr(self, f"{kind}_request"), getattr(self, f"{kind}_limit")
            if amount_of(request) > amount_of(limit):
                raise ValueError(f"{kind}_request {request} is more than {kind}_limit {limit}")
        return self


class GpuPodConfig(PodConfig):
    """Pod settings with defaults for steps that train."""

    cpu_request: Quantity = "2"
    """Processor that is set aside for a step that trains."""
    cpu_limit: Quantity = "8"
    """Processor that it may use at most."""
    memory_request: Quantity = "8Gi"
    """Memory that is set aside for it."""
    memory_limit: Quantity = "32Gi"
    """Memory at which it is killed."""
    gpus: int = Field(default=1, ge=0)
    """How many GPUs."""
    node_selector: tuple[_Pair, ...] = ("nvidia.com/gpu.present=true",)
    """Labels that a node must have; the default is what NVIDIA's GPU operator writes."""
    tolerations: tuple[_Taint, ...] = ("nvidia.com/gpu:NoSchedule",)
    """Taints of nodes that it bears."""
    shared_memory: Quantity | None = "2Gi"
    """Size of /dev/shm."""


class StepConfig(PodConfig):
    """Overrides for a single step; unset fields come from its group."""

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> Self:
        return self  # one of the two may be the group's


class VolumeConfig(Settings):
    """A persistent volume claim that is mounted into steps."""

    mount_path: str = Field(pattern=r"^/[^\s]+$")
    """Where the steps see it."""
    sub_path: str = ""
    """The folder of the volume to mount; nothing means all of it."""
    steps: tuple[StepName, ...] = ()
    """The steps that see it; nothing means all."""


class SecretConfig(Settings):
    """A secret whose keys become environment variables of steps."""

    env: tuple[_Pair, ...] = Field(min_length=1)
    """What becomes of the keys, `VARIABLE=key` each."""
    steps: tuple[StepName, ...] = ()
    """The steps that see it; nothing means all."""


class KubeflowConfig(Settings):
    """How the pipeline runs on Kubeflow Pipelines."""

    image: str = "dogbreed:latest"
    """Image of every step, with this project in it."""
    pipeline_root: str | None = Field(default=None, pattern=r"^(minio|s3|gs)://\S+$")
    """Where artifacts are kept, such as s3://BUCKET/KEY; nothing means where the cluster keeps
    them."""
    data: str = Field(default="/data", pattern=r"^(/|(minio|s3|gs)://)\S*$")
    """Records that `dogbreed convert` wrote: a folder of a mounted volume, or s3://BUCKET/KEY,
    which is fetched as an artifact (gs:// and minio:// too)."""
    push_destination: str | None = Field(default=None, pattern=r"^/\S+$")
    """Folder of a mounted volume that the model server watches; nothing means /models/NAME."""
    checkpoints: str = Field(default="/checkpoints", pattern=r"^/\S+$")
    """Folder of a mounted volume in which a training that is interrupted leaves its checkpoints."""
    cache: bool = False
    """Reuse results of earlier runs. Records that change in place must then be told by another
    `data_version`, a parameter of the pipeline."""
    cpu: PodConfig = PodConfig()
    """Pods of all steps but those of `gpu_steps`."""
    gpu: GpuPodConfig = GpuPodConfig()
    """Pods of the steps in `gpu_steps`."""
    gpu_steps: tuple[StepName, ...] = TRAINING_NODES
    """Steps that run on GPU nodes."""
    steps: dict[StepName, StepConfig] = Field(default_factory=dict)
    """What single steps have otherwise than `cpu` or `gpu` say."""
    volumes: dict[str, VolumeConfig] = Field(
        default={
            "dogbreed-data": VolumeConfig(mount_path="/data", steps=RECORD_READERS),
            "dogbreed-models": VolumeConfig(mount_path="/models", steps=PUSH_DESTINATION_USERS),
            "dogbreed-checkpoints": VolumeConfig(mount_path="/checkpoints", steps=TRAINING_NODES),
        }
    )
    """Persistent volume claims, by name."""
    secrets: dict[str, SecretConfig] = Field(default_factory=dict)
    """Secrets, by name."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets with which nodes fetch the steps' images, as `kubectl create secret docker-registry`
    makes them."""
    run_as_user: int | None = Field(default=10001, ge=1)
    """User and group of the steps, which must not be root; nothing leaves it to the image and the
    cluster. Kubeflow before 2.16 takes nothing else."""
    run_time_limit_s: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Seconds after which a run is stopped; nothing means never. Kubeflow 2.17 and newer."""
    run_kept_s: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Seconds for which a run's pods are kept after its end; nothing means what the cluster says,
    in Kubeflow 2.17 an hour. Kubeflow 2.17 and newer."""

    @model_validator(mode="after")
    def _pods_are_possible(self) -> Self:
        for step in self.steps:
            try:
                self.pod_of(step)
            except ValidationError as error:
                [problem] = error.errors()
                message = problem["msg"].removeprefix("Value error, ")
                raise ValueError(f"kubeflow.steps.{step}: {message}") from None
        return self

    def pod_of(self, step: StepName) -> PodConfig:
        """Returns the pod settings of a step, given by its name in the DAG."""
        group = self.gpu if step in self.gpu_steps else self.cpu
        if step not in self.steps:
            return group
        own = self.steps[step].model_dump(exclude_unset=True)
        return type(group).model_validate({**group.model_dump(), **own})
