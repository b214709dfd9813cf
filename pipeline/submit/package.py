"""What `dogbreed submit` needs to know of a package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.kubeflow.package import load_package
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order

SCHEMA_VERSION = "2.1.0"
"""The only schema of a pipeline that the open-source backend takes."""

_HASH_DIGITS = 12  # hexadecimal; 48 bits are plenty for the versions of one pipeline


@dataclass(frozen=True)
class Parameter:
    """Something that may be chosen anew for each run."""

    name: str
    """Its name."""
    kind: str
    """Its type, as the package spells it: STRING, NUMBER_INTEGER, NUMBER_DOUBLE, BOOLEAN, LIST or
    STRUCT."""
    required: bool
    """Whether a run must be given a value."""


@dataclass(frozen=True)
class SubmittedPackage:
    """A compiled pipeline, checked as far as the file alone tells."""

    path: Path
    """The file."""
    name: str
    """The pipeline's name."""
    digest: str
    """Start of the SHA-256 of the file, in hexadecimal."""
    parameters: Mapping[str, Parameter]
    """What a run may be given, by name."""
    steps: Mapping[str, str]
    """The nodes by the names of their tasks, each after those it waits for."""


def read_package(path: Path) -> SubmittedPackage:
    """Reads a package.

    Args:
        path: what `dogbreed compile` wrote.

    Raises:
        UserError: it is not there, or no package that the open-source backend would take.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path} must end in .yaml: Kubeflow tells a package by its file name.")
    package = load_package(path)
    spec = package.pipeline
    schema = spec.get("schemaVersion")
    if schema != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {schema}; open-source Kubeflow takes {SCHEMA_VERSION} "
            "only. 'dogbreed compile' writes that."
        )
    steps = {task.name: task.node for task in tasks_in_order(package)}
    if not (package.name and steps):
        raise UserError(f"{path} is an empty package: it has no name or no steps.")
    try:
        definitions = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return SubmittedPackage(
            path=path,
            name=package.name,
            digest=hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_DIGITS],
            parameters={name: _parameter(name, one) for name, one in sorted(definitions.items())},
            steps=steps,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is a damaged package ({type(error).__name__}: {error}).") from None


def _parameter(name: str, definition: Mapping[str, Any]) -> Parameter:
    optional = definition.get("isOptional", False) or "defaultValue" in definition
    return Parameter(name, str(definition["parameterType"]), required=not optional)
