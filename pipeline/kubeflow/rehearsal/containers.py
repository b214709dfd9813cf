"""Runs steps in containers through a Docker socket, of docker or podman."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import Self

from foundation.errors import UserError
from pipeline.config.kubeflow import amount_of
from pipeline.kubeflow.rehearsal.steps import LogFollower, Mount, StepEnd
from pipeline.kubeflow.rehearsal.tasks import Task

_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
_ANSWER_S = 5
_SCRATCH = "/tmp"


class Containers:
    """A `StepRunner` that runs each step in a container of its image, without a network."""

    name = "containers"

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls, images: set[str], *, required: bool) -> Self | None:
        """Returns a runner on a container engine that has the images, or None without one.

        Raises:
            UserError: there is none, and `required` is set.
        """
        client = _client()
        if client is None:
            if required:
                raise UserError(
                    "No container engine answers: start docker, or 'podman system service --time=0 "
                    "unix:///run/podman/podman.sock', or name its socket with DOCKER_HOST."
                )
            return None
        missing = [image for image in sorted(images) if not _has(client, image)]
        if missing:
            client.close()
            if required:
                raise UserError(
                    f"The container engine has no image {', '.join(missing)}. Build it, or compile "
                    "the pipeline for another with --set kubeflow.image=NAME."
                )
            return None
        return cls(client)

    def run(
        self,
        task: Task,
        command: Sequence[str],
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        log_path: Path,
    ) -> StepEnd:
        """See `StepRunner.run`.

        Raises:
            UserError: the engine cannot run the step.
        """
        from docker.errors import DockerException

        try:
            return self._run(task, command, mounts, environment, log_path)
        except DockerException as error:
            reason = " ".join(str(getattr(error, "explanation", None) or error).split())
            raise UserError(f"The container engine cannot run {task.node}: {reason}") from None

    def _run(
        self,
        task: Task,
        command: Sequence[str],
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        log_path: Path,
    ) -> StepEnd:
        program, *arguments = command
        container = self._client.containers.create(
            image=task.container.get("image"),
            entrypoint=[program],
            command=arguments,
            environment={**environment, "PYTHONUNBUFFERED": "1", "HOME": _SCRATCH},
            volumes={
                str(mount.folder): {"bind": mount.path, "mode": "ro" if mount.read_only else "rw"}
                for mount in mounts
            },
            user=f"{os.getuid()}:{os.getgid()}",
            network_mode="none",
            read_only=True,
            tmpfs={_SCRATCH: "rw,exec"},
            **_limits(task),
        )
        timed_out = threading.Event()
        clock = threading.Timer(task.time_limit_s or 0, _stop, (container, timed_out))
        try:
            container.start()
            if task.time_limit_s is not None:
                clock.start()
            with log_path.open("a", encoding="utf-8") as log:
                follower = LogFollower(log)
                for line in _lines(container.logs(stream=True, follow=True)):
                    follower.take(line)
            code = int(container.wait()["StatusCode"])
            container.reload()
            state = container.attrs.get("State", {})
            return StepEnd(
                code,
                follower.tail,
                timed_out=timed_out.is_set(),
                out_of_memory=bool(state.get("OOMKilled")),
            )
        finally:
            clock.cancel()
            # Not auto_remove: the exit code would be gone before it is read.
            container.remove(force=True)


def _client() -> Any:
    import docker
    from docker.errors import DockerException

    hosts = [os.environ["DOCKER_HOST"]] if os.environ.get("DOCKER_HOST") else []
    hosts += [f"unix://{path}" for path in _SOCKETS if not hosts and Path(path).exists()]
    for host in hosts:
        with suppress(DockerException, OSError):
            client = docker.DockerClient(base_url=host, timeout=_ANSWER_S)
            client.ping()
            client.api.timeout = None
            return client
    return None


def _has(client: Any, image: str) -> bool:
    from docker.errors import DockerException

    try:
        client.images.get(image)
    except DockerException:
        return False
    return True


def _limits(task: Task) -> dict[str, Any]:
    resources = task.container.get("resources", {})
    limits: dict[str, Any] = {}
    if "memoryLimit" in resources:
        limits["mem_limit"] = limits["memswap_limit"] = int(resources["memoryLimit"] * 1e9)
    for mount in task.kubernetes.get("emptyDirMounts", ()):
        if mount["mountPath"] == "/dev/shm" and "sizeLimit" in mount:
            limits["shm_size"] = int(amount_of(mount["sizeLimit"]))
    return limits


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _stop(container: Any, timed_out: threading.Event) -> None:
    from docker.errors import DockerException

    timed_out.set()
    with suppress(DockerException):  # it has ended just now
        container.kill()
