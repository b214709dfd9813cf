"""What a rehearsal is asked to do, read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from pipeline.errors import UserError
from pipeline.kubeflow.package import Package

Value = str | int | float | bool
RunIn = Literal["containers", "processes"]
_KINDS: dict[str, type] = {
    "STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float, "BOOLEAN": bool,
}  # fmt: skip


@dataclass(frozen=True)
class Volume:
    """A folder that stands for a persistent volume claim."""

    folder: Path
    """The folder, absolute."""
    read_only: bool = False
    """Whether steps may only read it."""


@dataclass(frozen=True)
class RehearsalOptions:
    """How to rehearse."""

    root: Path
    """Folder of everything that rehearsals of this package leave, absolute."""
    parameters: dict[str, Value] = field(default_factory=dict)
    """Values of the pipeline's parameters, where not their defaults."""
    volumes: dict[str, Volume] = field(default_factory=dict)
    """What stands for volume claims, by name; for others it is a folder below the root."""
    data: Path | None = None
    """What stands for the records, wherever the package expects them."""
    like_cluster: bool = False
    """Hand over artifacts as the real launcher does."""
    run_in: RunIn | None = None
    """What steps run in; None takes containers where they can be had."""


def read_parameters(written: Sequence[str], package: Package) -> dict[str, Value]:
    """Reads values of the pipeline's parameters.

    Args:
        written: `name=value` each.
        package: knows the parameters.

    Raises:
        UserError: there is no such parameter, or the value is not of its kind.
    """
    return {name: value for name, value in (_parameter(each, package) for each in written)}


def read_volumes(written: Sequence[str]) -> dict[str, Volume]:
    """Reads what stands for volume claims.

    Args:
        written: `CLAIM=FOLDER` or `CLAIM=FOLDER:ro` each.

    Raises:
        UserError: it is not written like that, or there is no such folder.
    """
    volumes = {}
    for each in written:
        claim, equals, folder = each.partition("=")
        path = Path(folder.removesuffix(":ro")).absolute()
        if not equals or not claim or not folder:
            raise UserError(f"--volume wants CLAIM=FOLDER, got '{each}'.")
        if not path.is_dir():
            raise UserError(f"--volume {claim}: there is no folder {path}.")
        volumes[claim] = Volume(path, read_only=folder.endswith(":ro"))
    return volumes


def _parameter(written: str, package: Package) -> tuple[str, Value]:
    name, equals, text = written.partition("=")
    if not equals:
        raise UserError(f"--set wants PARAMETER=VALUE such as epochs=5, got '{written}'.")
    spec = package.parameters.get(name)
    if spec is None:
        raise UserError(
            f"The pipeline has no parameter '{name}'. It has: "
            f"{', '.join(sorted(package.parameters))}. Other settings are compiled in."
        )
    kind = _KINDS.get(spec["parameterType"], str)
    value: Any = text if kind is str else yaml.safe_load(text)
    if kind is float and type(value) is int:
        value = float(value)
    if isinstance(value, str | int | float) and type(value) is kind:  # no bool for an int
        return name, value
    raise UserError(f"The parameter {name} wants {_IN_WORDS[kind]}, got '{text}'.")


_IN_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
