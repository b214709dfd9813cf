"""What `dogbreed submit` needs to know of a package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from pipeline.kubeflow.package import SCHEMA_VERSION, Package, load_package
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order

_HASH_DIGITS = 12  # hexadecimal; 48 bits are plenty for the versions of one pipeline


@dataclass(frozen=True)
class SubmittedPackage:
    """A compiled pipeline, checked as far as the file alone tells."""

    path: Path
    """The file."""
    name: str
    """The pipeline's name."""
    digest: str
    """Start of the SHA-256 of the file, in hexadecimal."""
    content: Package
    """What is in it."""
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
    schema = package.pipeline.get("schemaVersion")
    if schema != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {schema}; open-source Kubeflow takes {SCHEMA_VERSION} "
            "only. 'dogbreed compile' writes that."
        )
    try:
        name, _ = package.name, package.parameters
        steps = {task.name: task.node for task in tasks_in_order(package)}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"{path} is a damaged package: 'dogbreed compile --check {path}' says where."
        ) from None
    if not (name and steps):
        raise UserError(f"{path} is an empty package: it has no name or no steps.")
    return SubmittedPackage(
        path=path,
        name=name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_DIGITS],
        content=package,
        steps=steps,
    )
