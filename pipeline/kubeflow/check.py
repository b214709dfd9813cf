"""Checks a package for what open-source Kubeflow Pipelines would refuse or silently ignore."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec import pipeline_spec_pb2

from foundation.errors import UserError
from pipeline.kubeflow.package import SCHEMA_VERSION, Package
from pipeline.kubeflow.step.uris import is_object_store

_LONGEST_REASON = 240  # characters


def check_form(package: Package) -> None:
    """Checks that a package parses as kfp's protobuf messages, unknown fields aside.

    Raises:
        UserError: a value has the wrong type.
    """
    for document, message in _documents(package):
        try:
            json_format.ParseDict(document, message, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"The package is damaged: {_in_a_line(error)}.") from None


def unknown_fields(package: Package) -> Iterator[tuple[str, str]]:
    """Yields a message's name and its unknown field, for packages that pass `check_form`."""
    for document, message in _documents(package):
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield message.DESCRIPTOR.name, _in_a_line(error)


def _documents(package: Package) -> list[tuple[dict[str, Any], Message]]:
    """Lists the package's JSON documents, each with an empty message of its type."""
    return [
        (package.pipeline, pipeline_spec_pb2.PipelineSpec()),
        (package.pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()),
        (_without_pipeline_config(package.platform), pipeline_spec_pb2.PlatformSpec()),
    ]


def _without_pipeline_config(platform: dict[str, Any]) -> dict[str, Any]:
    kept = copy.deepcopy(platform)
    with contextlib.suppress(AttributeError, KeyError, TypeError):  # left to the parser
        kept["platforms"]["kubernetes"].pop(_PIPELINE_CONFIG, None)
    return kept


def _in_a_line(error: Exception) -> str:
    """Shortens protobuf's error, which lists all available fields and whole values."""
    line = " ".join(str(error).split()).partition(" Available Fields")[0].rstrip(".")
    return f"{line[:_LONGEST_REASON]}..." if len(line) > _LONGEST_REASON else line


_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LONGEST_NAME = 128
_LONGEST_ARGUMENT = 128 * 1024  # bytes: the kernel's limit of a single argument
_ROOM_FOR_INPUT = 32 * 1024  # bytes: what {{$}} may expand to without its constants
_PLACEHOLDER = "{{$}}"
# Fields of kfp-kubernetes' KubernetesExecutorConfig; the Python 3.10 version has the first four.
_KUBERNETES_FIELDS = frozenset(
    {
        "secretAsVolume", "secretAsEnv", "pvcMount", "nodeSelector", "podMetadata",
        "imagePullSecret", "imagePullPolicy", "configMapAsVolume", "configMapAsEnv",
        "activeDeadlineSeconds", "fieldPathAsEnv", "tolerations", "genericEphemeralVolume",
        "nodeAffinity", "podAffinity", "enabledSharedMemory", "emptyDirMounts", "securityContext",
    }
)  # fmt: skip
# Fields of 2.17's PipelineConfig, which no kfp that TFX allows knows: of the document's parts, this
# alone is checked by name.
_PIPELINE_CONFIG = "pipelineConfig"
_PIPELINE_FIELDS = frozenset(
    {
        "activeDeadlineSeconds", "resourceTtlOnCompletion", "resourceTtlOnFailure",
        "resourceTtlOnSuccess", "workspace",
    }
)  # fmt: skip
_UNSUPPORTED = {
    "resolver": "a Resolver, such as finds the last blessed model,",
    "customJob": "a custom job of Google's service",
}


@dataclass(frozen=True)
class Finding:
    """A problem in a part of a package: what is wrong, its consequence and what to do."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check_package(package: Package) -> list[Finding]:
    """Lists what a cluster would refuse or ignore in a package, whichever compiler wrote it.

    Raises:
        UserError: the package is damaged.
    """
    check_form(package)
    findings: list[Finding] = []
    for part, check in _CHECKS.items():
        try:
            findings += check(package)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UserError(
                f"The package is damaged: in its {part}, something is of another kind than it "
                "should be."
            ) from None
    return findings


def _check_fields(package: Package) -> Iterator[Finding]:
    for name, what in unknown_fields(package):
        yield Finding(
            f"message {name}", f"{what}: the backend refuses fields that it does not know."
        )


def _check_heading(package: Package) -> Iterator[Finding]:
    version = package.pipeline.get("schemaVersion")
    if version != SCHEMA_VERSION:
        yield Finding(
            "schemaVersion",
            f"it is {version}, and the backend takes {SCHEMA_VERSION} alone. TFX writes that with "
            "use_pipeline_spec_2_1=True.",
        )
    if not _NAME.fullmatch(package.name) or len(package.name) > _LONGEST_NAME:
        yield Finding(
            "pipelineInfo.name",
            f"'{package.name}' is refused: up to {_LONGEST_NAME} lower-case letters, digits, '-' "
            "and '.', of which the first and the last are letters or digits.",
        )
    root = package.pipeline.get("defaultPipelineRoot", "")
    if root and not is_object_store(root):
        yield Finding(
            "defaultPipelineRoot",
            f"'{root}' is no place in an object store: minio://, s3:// or gs://.",
        )
    for name, spec in package.parameters.items():
        if "parameterType" not in spec:
            yield Finding(
                f"parameter {name}", "it has no parameterType: 'type' belongs to schema 2.0."
            )


def _check_components(package: Package) -> Iterator[Finding]:
    executors = package.pipeline["deploymentSpec"].get("executors", {})
    for name, component in package.pipeline.get("components", {}).items():
        label = component.get("executorLabel")
        if label is not None and label not in executors:
            yield Finding(f"component {name}", f"its executor '{label}' is not in the package.")
    for label, executor in executors.items():
        kinds = set(executor)
        if not kinds & {"container", "importer"}:
            kind = next(iter(kinds), "nothing")
            yield Finding(
                f"executor {label}",
                f"it is {_UNSUPPORTED.get(kind, f'of the kind {kind}')}, and the backend runs "
                "containers and importers alone: it refuses the whole pipeline.",
            )
        elif "container" in kinds:
            yield from _check_container(label, executor["container"])


def _check_container(label: str, container: dict[str, Any]) -> Iterator[Finding]:
    where = f"executor {label}"
    if not container.get("image"):
        yield Finding(where, "it names no image.")
    if not container.get("command"):
        yield Finding(
            where, "it names no command: the launcher does not know the image's own entry point."
        )
    if "lifecycle" in container:
        yield Finding(
            where,
            "its lifecycle.preCacheCheck is ignored by the backend: the driver in it does not run.",
        )
    for argument in (*container.get("command", ()), *container.get("args", ())):
        size = len(argument.encode()) + (_ROOM_FOR_INPUT if _PLACEHOLDER in argument else 0)
        if size > _LONGEST_ARGUMENT:
            yield Finding(
                where,
                f"an argument of {len(argument.encode()):,} bytes is more than the kernel takes "
                f"({_LONGEST_ARGUMENT:,}).",
            )


def _check_tasks(package: Package) -> Iterator[Finding]:
    tasks = package.pipeline["root"].get("dag", {}).get("tasks", {})
    components = package.pipeline.get("components", {})
    for name, task in tasks.items():
        where = f"task {name}"
        if task.get("componentRef", {}).get("name") not in components:
            yield Finding(where, "its component is not in the package.")
        constants = 0
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            value = source.get("runtimeValue", {})
            if "constantValue" in value:
                yield Finding(
                    where,
                    f"its input {key} is a constantValue of schema 2.0; {SCHEMA_VERSION} calls it "
                    "constant.",
                )
            constants += len(str(value.get("constant", "")).encode())
            parameter = source.get("componentInputParameter")
            if parameter is not None and parameter not in package.parameters:
                yield Finding(
                    where, f"its input {key} is the parameter {parameter}, which the package lacks."
                )
        if constants + _ROOM_FOR_INPUT > _LONGEST_ARGUMENT:
            yield Finding(
                where,
                f"its constants come to {constants:,} bytes, which {_PLACEHOLDER} puts into one "
                f"argument: the kernel takes {_LONGEST_ARGUMENT:,}, with the artifacts' places.",
            )
        for upstream in task.get("dependentTasks", ()):
            if upstream not in tasks:
                yield Finding(where, f"it waits for {upstream}, which is not in the package.")


def _check_kubernetes(package: Package) -> Iterator[Finding]:
    platforms = package.platform.get("platforms", {})
    of_runs = platforms.get("kubernetes", {}).get(_PIPELINE_CONFIG, {})
    if unknown := sorted(set(of_runs) - _PIPELINE_FIELDS):
        yield Finding(
            _PIPELINE_CONFIG, f"the backend knows no {', '.join(unknown)}, and refuses it."
        )
    for name in platforms:
        if name != "kubernetes":
            yield Finding("platform spec", f"the backend does not know the platform '{name}'.")
    executors = package.pipeline["deploymentSpec"].get("executors", {})
    asked = platforms.get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    for label, config in asked.items():
        where = f"platform spec of {label}"
        if label not in executors:
            yield Finding(where, "there is no such executor: nobody would read it.")
        unknown = sorted(set(config) - _KUBERNETES_FIELDS)
        if unknown:
            yield Finding(where, f"the backend knows no {', '.join(unknown)}, and refuses it.")
        paths = [mount.get("mountPath") for mount in config.get("pvcMount", ())]
        for path in sorted({path for path in paths if paths.count(path) > 1}):
            yield Finding(where, f"two volumes are mounted at {path}: the pod is refused.")


_CHECKS: dict[str, Callable[[Package], Iterator[Finding]]] = {
    "fields": _check_fields,
    "heading": _check_heading,
    "components": _check_components,
    "tasks": _check_tasks,
    "platform spec": _check_kubernetes,
}
