"""Finds a container engine that can build images."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from foundation.errors import UserError

EngineName = Literal["docker", "podman", "buildah"]
"""A program that builds images."""

_ENGINES: tuple[EngineName, ...] = ("docker", "podman", "buildah")
# Says on standard output or by its exit code whether the engine works, not only that it is there:
# Docker's client is often installed where its daemon does not run.
_PROBES: dict[EngineName, tuple[str, ...]] = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "buildah": ("info",),
}


@dataclass(frozen=True)
class Engine:
    """A container engine that works."""

    name: EngineName
    program: str
    """Path of its command."""


def find_engine(name: EngineName | None = None) -> Engine:
    """Finds a container engine that works.

    Args:
        name: the one to use; None takes the first of docker, podman and buildah.

    Raises:
        UserError: there is none; it says of each that is installed why it does not work.
    """
    reasons = []
    for candidate in (name,) if name else _ENGINES:
        program = shutil.which(candidate)
        if program is None:
            continue
        reason = _why_not(candidate, program)
        if reason is None:
            return Engine(candidate, program)
        reasons.append(f"{candidate} is installed but does not work: {reason}")
    wanted = name or "none of docker, podman and buildah"
    missing = f"{wanted} is {'not ' if name else ''}installed. On Debian: apt-get install podman"
    raise UserError(f"No image can be built: {'; '.join(reasons) or missing}")


def _why_not(name: EngineName, program: str) -> str | None:
    """Returns why an engine does not work; None where it does."""
    try:
        probe = subprocess.run(
            [program, *_PROBES[name]], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if probe.returncode == 0:
        return None
    lines = probe.stderr.strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {probe.returncode}"
