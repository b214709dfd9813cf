"""Keeps the wanted versions of every model loaded.

A new version is loaded and warm before the one it replaces is drained and unloaded: TensorFlow
Serving's availability-preserving policy.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc
from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)

from serving.model_server.errors import ServingError
from serving.model_server.models.servable import Servable, State, Version
from serving.model_server.options import ServerOptions

_LARGEST_VERSION = 2**63 - 1

VersionPolicy: TypeAlias = FileSystemStoragePathSourceConfig.ServableVersionPolicy


@dataclass(frozen=True)
class ModelSource:
    """Folder of a model's versions, and the policy that selects the wanted ones."""

    name: str
    base_path: Path
    policy: VersionPolicy

    def wanted_versions(self) -> dict[int, Path]:
        """Returns the wanted versions' folders, highest first; raises OSError if unreadable."""
        found = {
            int(entry.name): Path(entry.path)
            for entry in os.scandir(self.base_path)
            if entry.name.isascii()
            and entry.name.isdecimal()
            and int(entry.name) <= _LARGEST_VERSION
            and entry.is_dir()
        }
        versions = sorted(found, reverse=True)
        choice = self.policy.WhichOneof("policy_choice")
        if choice == "specific":
            versions = [version for version in versions if version in self.policy.specific.versions]
        elif choice != "all":
            versions = versions[: self.policy.latest.num_versions or 1]
        return {version: found[version] for version in versions}


logger = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]


class Manager:
    """Versions of all models, and the thread that loads and unloads them.

    `load` makes a version ready to answer, or raises `ServingError`. Once `stopping` is set,
    nothing more is loaded and nobody waits for it.
    """

    def __init__(self, load: Load, options: ServerOptions, stopping: threading.Event) -> None:
        self._load = load
        self._options = options
        self._stopping = stopping
        self._changed = threading.Condition()
        self._sources: dict[str, ModelSource] = {}
        self._models: dict[str, dict[int, Version]] = {}
        self._unread: dict[str, str] = {}
        self._poll_now = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model-manager", daemon=True)
        self._thread.start()

    def set_sources(self, sources: Iterable[ModelSource]) -> None:
        """Replaces the models to serve; those no longer listed are unloaded."""
        with self._changed:
            self._sources = {source.name: source for source in sources}
        self._poll_now.set()

    @contextmanager
    def using(self, name: str, version: int | None) -> Iterator[Servable]:
        """Lends a version (None: highest available); raises `ServingError` (NOT_FOUND) if none."""
        with self._changed:
            lent = self._find(name, version)
            servable = lent.servable
            assert servable is not None
            lent.users += 1
        try:
            yield servable
        finally:
            with self._changed:
                lent.users -= 1
                if not lent.users:
                    self._changed.notify_all()

    def states(self, name: str) -> list[Version]:
        """Returns the versions of a model that were ever wanted, highest first."""
        with self._changed:
            versions = self._models.get(name, {})
            return [versions[number] for number in sorted(versions, reverse=True)]

    def wait_until_available(
        self, names: Iterable[str], *, cancelled: threading.Event
    ) -> list[tuple[str, Version]]:
        """Waits until each model has an available version, or all its wanted ones failed to load.

        Returns the failed versions of models that have no other. Setting `cancelled` ends the wait.

        Raises:
            ServingError: UNAVAILABLE if the server stops meanwhile.
        """
        waiting = set(names)
        while waiting and not cancelled.is_set():
            if self._stopping.is_set():
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")
            with self._changed:
                lost = []
                for name in list(waiting):
                    versions = list(self._models.get(name, {}).values())
                    wanted = [version for version in versions if version.wanted]
                    if any(version.state == State.AVAILABLE for version in versions):
                        waiting.discard(name)
                    elif wanted and all(version.failed for version in wanted):
                        lost += [(name, version) for version in wanted]
                if not waiting or (lost and {name for name, _ in lost} == waiting):
                    return lost
                self._changed.wait(0.1)
        return []

    def close(self) -> None:
        """Ends the thread and unloads every version, each when its last caller is done."""
        with self._changed:
            self._closed = True
            self._sources = {}
        self._poll_now.set()
        self._thread.join()

    def _find(self, name: str, number: int | None) -> Version:
        available = {
            version.number: version
            for version in self._models.get(name, {}).values()
            if version.state == State.AVAILABLE
        }
        wanted = max(available, default=None) if number is None else number
        if wanted is None or wanted not in available:
            request = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}"
            )
        return available[wanted]

    def _work(self) -> None:
        while True:
            self._poll_now.clear()
            with self._changed:
                closed, sources = self._closed, dict(self._sources)
                names = {*sources, *self._models}
            for name in names:
                try:
                    self._reconcile(name, sources.get(name))
                except Exception:  # other models must still be updated
                    logger.exception("The versions of %s cannot be brought up to date", name)
            if closed:
                return
            self._poll_now.wait(self._pause_s())

    def _pause_s(self) -> float | None:
        """Returns the seconds until a folder is to be polled or a failed load retried."""
        poll_s = self._options.file_system_poll_wait_seconds
        with self._changed:
            retries = [
                max(0.0, version.next_attempt - time.monotonic())
                for versions in self._models.values()
                for version in versions.values()
                if version.wanted and version.state == State.LOADING
            ]
        if poll_s:
            retries.append(poll_s)
        return min(retries, default=None)

    def _reconcile(self, name: str, source: ModelSource | None) -> None:
        """Moves a model's versions towards those that its source wants."""
        wanted = {} if source is None else self._look(name, source)
        if wanted is not None:
            self._mark(name, wanted)
        for version in self.states(name):
            if version.wanted and version.state in (State.START, State.LOADING):
                self._try_load(name, version)
        self._drop_unwanted(name)

    def _look(self, name: str, source: ModelSource) -> dict[int, Path] | None:
        """Returns the wanted versions; None if all is to stay as it is."""
        try:
            wanted = source.wanted_versions()
        except (OSError, ValueError) as error:  # callers may configure an invalid path
            reason = error.strerror if isinstance(error, OSError) else None
            self._report(
                name,
                f"Could not find base path {source.base_path} for servable "
                f"{name} with error {reason or error}",
            )
            return None if self._has_available(name) else {}
        if wanted:
            self._unread.pop(name, None)
            return wanted
        self._report(
            name,
            f"No versions of servable {name} found under base path "
            f"{source.base_path}. Did you forget to name your leaf directory "
            "as a number (eg. '/1/')?",
        )
        stays = self._options.servable_versions_always_present and self._has_available(name)
        return None if stays else {}

    def _mark(self, name: str, wanted: dict[int, Path]) -> None:
        with self._changed:
            versions = self._models.setdefault(name, {})
            for number, path in wanted.items():
                known = versions.get(number)
                # Reloads a dropped version that is wanted again, and a failed one whose folder
                # was gone meanwhile.
                if known is None or (
                    known.state == State.END and (not known.wanted or not known.failed)
                ):
                    versions[number] = Version(number, path)
            for version in versions.values():
                version.wanted = version.number in wanted

    def _try_load(self, name: str, version: Version) -> None:
        with self._changed:
            if version.next_attempt > time.monotonic() or self._stopping.is_set():
                return
            version.state = State.LOADING
        try:
            servable = self._load(name, version.number, version.path)
        except ServingError as error:
            self._load_failed(name, version, error)
            return
        # A damaged model may raise anything; the thread must live on for the others.
        except Exception as error:
            logger.exception("Version %d of %s cannot be loaded", version.number, name)
            message = f"{type(error).__name__}: {error}"
            self._load_failed(name, version, ServingError(grpc.StatusCode.INTERNAL, message))
            return
        with self._changed:
            version.servable, version.error, version.state = servable, None, State.AVAILABLE
            self._changed.notify_all()
        logger.info(
            "Successfully loaded servable version {name: %s version: %d}", name, version.number
        )

    def _load_failed(self, name: str, version: Version, error: ServingError) -> None:
        pause_s = max(0.0, self._options.load_retry_interval_micros / 1e6)
        with self._changed:
            version.failures += 1
            # A copy: the error's traceback would keep the loaded parts of the model alive.
            version.error = ServingError(error.code, error.message)
            version.next_attempt = time.monotonic() + pause_s
            left = self._options.max_num_load_retries + 1 - version.failures
            if left <= 0:
                version.state = State.END
            self._changed.notify_all()
        then = f"trying again in {pause_s:g} s, {left} more times" if left > 0 else "given up"
        logger.error(
            "Loading servable: {name: %s version: %d} failed: %s; %s",
            name,
            version.number,
            error.message,
            then,
        )

    def _drop_unwanted(self, name: str) -> None:
        with self._changed:
            versions = self._models[name]
            unwanted = [version for version in versions.values() if not version.wanted]
            still_needed = any(version.wanted for version in versions.values()) and not any(
                version.wanted and version.state == State.AVAILABLE for version in versions.values()
            )
            dropped = []
            for version in unwanted:
                if version.state == State.AVAILABLE and not still_needed:
                    version.state = State.UNLOADING
                    dropped.append(version)
                elif version.state in (State.START, State.LOADING):
                    version.state = State.END
        for version in dropped:
            # On its own thread: a slow caller must not delay other versions.
            drain = threading.Thread(target=self._drain, args=(name, version))
            drain.start()
            if self._closed:
                drain.join()

    def _drain(self, name: str, version: Version) -> None:
        with self._changed:
            self._changed.wait_for(lambda: version.users == 0)
            servable, version.servable = version.servable, None
        assert servable is not None
        try:
            servable.close()
        finally:
            with self._changed:
                version.state = State.END
                self._changed.notify_all()
        logger.info("Successfully unloaded {name: %s version: %d}", name, version.number)

    def _has_available(self, name: str) -> bool:
        return any(version.state == State.AVAILABLE for version in self.states(name))

    def _report(self, name: str, sentence: str) -> None:
        """Warns once, not at every poll, of a folder without versions."""
        if self._unread.get(name) != sentence:
            self._unread[name] = sentence
            logger.warning(sentence)
