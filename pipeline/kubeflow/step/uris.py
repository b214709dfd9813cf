"""Where a step finds what an object store holds, and what it calls what it leaves.

Kubeflow's launcher fetches every input before a step and sends every output after it. In between
they lie on the step's own disk: TensorFlow has no file system for minio:// or s3://.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

MOUNTS_VARIABLE = "DOGBREED_MOUNTS"
"""Environment variable of a rehearsal without containers: which folder stands for which path of
the container, as a JSON mapping."""
READ_ONLY_VARIABLE = "DOGBREED_READ_ONLY"
"""Environment variable beside it: paths of the container that are mounted read-only, as a JSON
list."""

_FOLDERS = {"minio": "/minio", "s3": "/s3", "gs": "/gcs"}


def is_object_store(location: str) -> bool:
    """Says whether a location is in an object store."""
    return location.partition("://")[0] in _FOLDERS and "://" in location


def launcher_path(location: str) -> str:
    """Returns where the launcher puts what is at a location; a plain path is its own.

    Args:
        location: such as s3://BUCKET/KEY; what follows a question mark configures the store.
    """
    if not is_object_store(location):
        return location
    scheme, _, rest = location.partition("://")
    return f"{_FOLDERS[scheme]}/{rest.partition('?')[0]}"


@dataclass
class Places:
    """Maps locations to paths of this machine, and back."""

    mounts: Mapping[str, str] = field(default_factory=dict)
    """Folders that stand for paths of the container; empty in a container."""
    read_only: tuple[str, ...] = ()
    """Paths of the container that only a real container could not write."""
    _origins: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_environment(cls) -> Places:
        """Reads what a rehearsal has set."""
        return cls(
            json.loads(os.environ.get(MOUNTS_VARIABLE, "{}")),
            tuple(json.loads(os.environ.get(READ_ONLY_VARIABLE, "[]"))),
        )

    def local(self, location: str) -> str:
        """Returns the path at which a location is here, and remembers it for `remote`."""
        path = launcher_path(location)
        for mount in sorted(self.mounts, key=len, reverse=True):
            if _is_below(path, mount):
                path = str(
                    PurePosixPath(self.mounts[mount], PurePosixPath(path).relative_to(mount))
                )
                break
        if path != location:
            self._origins[path] = location
        return path

    def remote(self, value: str) -> str:
        """Returns the location of a path that `local` gave, or that lies below one."""
        for path in sorted(self._origins, key=len, reverse=True):
            if _is_below(value, path):
                return self._origins[path] + value[len(path) :]
        return value

    def is_read_only(self, location: str) -> bool:
        """Says whether a rehearsal has declared a location read-only."""
        return any(_is_below(launcher_path(location), path) for path in self.read_only)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
