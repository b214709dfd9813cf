"""Builds the image of the pipeline's steps with whatever container engine is installed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

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


Variant = Literal["cpu", "gpu"]

_CONTEXT = Path(__file__).parents[2]
_DOCKERFILE = Path("kubernetes/image/Dockerfile")

_FLAGS: dict[EngineName, tuple[str, ...]] = {
    "docker": ("--progress=plain",),
    "podman": (),
    "buildah": ("--layers",),  # the others keep layers, and so build faster the next time, unasked
}

_STEP = re.compile(r"^(?:STEP (\d+)/(\d+): |#\d+ \[(?:\S+ )?(\d+)/(\d+)\] )(.*)")
_LINES_KEPT = 30
"""Of the engine's output, for when it fails."""


def check_checkout() -> None:
    """Raises where this copy of the project lacks what an image is built from.

    Raises:
        UserError: it was installed without its checkout.
    """
    if not (_CONTEXT / _DOCKERFILE).is_file():
        raise UserError(
            f"An image is built from a checkout of the project, with its {_DOCKERFILE}; this "
            f"dogbreed was installed without one, in {_CONTEXT}. In a checkout, 'make setup' makes "
            "an environment whose dogbreed can."
        )


@dataclass(frozen=True)
class ImageOptions:
    """Which image to build."""

    tag: str
    """Its name, with or without a tag."""
    variant: Variant = "cpu"
    base: str | None = None
    """The image to build on; None is the Dockerfile's."""
    engine_flags: tuple[str, ...] = ()
    """Flags for the engine's own `build`."""


def build_image(engine: Engine, options: ImageOptions, console: Console) -> None:
    """Builds the image, showing the steps as they begin.

    Args:
        engine: what builds it.
        options: which image.
        console: where progress is shown.

    Raises:
        UserError: the build failed; the engine's last lines are printed.
    """
    command = _command(engine, options)
    last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
    title = f"Building {options.tag} with {engine.name}"
    with (
        console.status(title) as status,
        subprocess.Popen(
            command,
            cwd=_CONTEXT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
        _stopped_on_the_way_out(process),
    ):
        assert process.stdout is not None
        for line in process.stdout:
            last_lines.append(line)
            if step := _step(line):
                console.print(
                    step, markup=False, highlight=False, overflow="ellipsis", no_wrap=True
                )
                status.update(f"{title}: {step.split(' ', 1)[0]}")
        code = process.wait()
    if code != 0:
        console.print("".join(last_lines), markup=False, highlight=False, soft_wrap=True, end="")
        raise UserError(
            f"{engine.name} could not build {options.tag} (exit code {code}): its last lines are "
            "above."
        )


def image_size(engine: Engine, tag: str) -> str | None:
    """Returns the size of an image in words, such as 3.7 GB; None where the engine does not say."""
    command: Sequence[str] = (
        ("images", "--format", "{{.Size}}", tag)
        if engine.name == "buildah"
        else ("image", "inspect", "--format", "{{.Size}}", tag)
    )
    found = subprocess.run([engine.program, *command], capture_output=True, text=True, check=False)
    text = found.stdout.strip().splitlines()
    if found.returncode != 0 or not text:
        return None
    return f"{int(text[0]) / 1e9:.1f} GB" if text[0].isdecimal() else text[0]


def _command(engine: Engine, options: ImageOptions) -> list[str]:
    from pipeline.plan import git_commit  # imports what `--help` should not wait for

    arguments = {
        "VARIANT": options.variant,
        "VERSION": importlib.metadata.version("dogbreed"),
        "REVISION": git_commit() or "unknown",
    }
    if options.base is not None:
        arguments["BASE"] = options.base
    return [
        engine.program,
        "build",
        *_FLAGS[engine.name],
        f"--file={_DOCKERFILE}",
        f"--tag={options.tag}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *options.engine_flags,
        ".",
    ]


def _step(line: str) -> str | None:
    """Reads the line with which docker, podman or buildah begins a step, as `2/9 RUN ...`."""
    match = _STEP.match(line)
    if match is None:
        return None
    number, count = match[1] or match[3], match[2] or match[4]
    return f"{number}/{count} {match[5].strip()}"


@contextlib.contextmanager
def _stopped_on_the_way_out(process: subprocess.Popen[str]) -> Iterator[None]:
    """Ends the engine and what it started when the block is left early, as by Ctrl-C."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        raise
