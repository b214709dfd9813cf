"""Builds the container image of the pipeline's steps with docker, podman or buildah."""

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

_ENGINES: tuple[EngineName, ...] = ("docker", "podman", "buildah")
# Commands that fail unless the engine works: Docker's client is often installed without a daemon.
_PROBES: dict[EngineName, tuple[str, ...]] = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "buildah": ("info",),
}


@dataclass(frozen=True)
class Engine:
    """A working container engine: its name and the path of its command."""

    name: EngineName
    program: str


def find_engine(name: EngineName | None = None) -> Engine:
    """Returns the named container engine, or the first of docker, podman and buildah that works.

    Raises:
        UserError: none works; the message gives the reason for each installed one.
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
    """Returns the reason an engine does not work, or None if it works."""
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
    "buildah": ("--layers",),  # the others cache layers by default
}

_STEP = re.compile(r"^(?:(?:\[\d+/\d+\] )?STEP (\d+)/(\d+): |#\d+ \[(?:\S+ )?(\d+)/(\d+)\] )(.*)")
_LINES_KEPT = 30  # of the engine's output, printed if it fails


def check_checkout() -> None:
    """Checks that the Dockerfile exists.

    Raises:
        UserError: the project was installed without its checkout.
    """
    if not (_CONTEXT / _DOCKERFILE).is_file():
        raise UserError(
            f"An image is built from a checkout of the project, with its {_DOCKERFILE}; this "
            f"dogbreed was installed without one, in {_CONTEXT}. In a checkout, 'make setup' makes "
            "an environment whose dogbreed can."
        )


@dataclass(frozen=True)
class ImageOptions:
    """Options of an image build."""

    tag: str
    """Image name, with or without a tag."""
    variant: Variant = "cpu"
    base: str | None = None
    """Base image; None for the Dockerfile's."""
    engine_flags: tuple[str, ...] = ()
    """Extra flags for the engine's `build`."""


def build_image(engine: Engine, options: ImageOptions, console: Console) -> None:
    """Builds the image and prints each step as it begins.

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
    """Returns the size of an image as text, such as 3.7 GB, or None if the engine gives none."""
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
    from pipeline.plan import git_commit  # slow imports, which `--help` should not wait for

    arguments: dict[str, str] = {"VARIANT": options.variant}
    labels = {
        "org.opencontainers.image.version": importlib.metadata.version("dogbreed"),
        "org.opencontainers.image.revision": git_commit() or "unknown",
        "dogbreed.variant": options.variant,
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
        *(f"--label={name}={value}" for name, value in labels.items()),
        *options.engine_flags,
        ".",
    ]


def _step(line: str) -> str | None:
    """Parses an engine's line that begins a build step into `2/9 RUN ...`; None for others."""
    match = _STEP.match(line)
    if match is None:
        return None
    number, count = match[1] or match[3], match[2] or match[4]
    return f"{number}/{count} {match[5].strip()}"


@contextlib.contextmanager
def _stopped_on_the_way_out(process: subprocess.Popen[str]) -> Iterator[None]:
    """Terminates the process group if the block raises, for example on Ctrl-C."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        raise
