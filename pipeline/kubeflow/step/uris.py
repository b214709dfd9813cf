"""Maps object-store URIs to local mounts and back.

Kubeflow's launcher downloads inputs to the step's disk and uploads outputs from there: TensorFlow
has no file system for minio:// or s3://.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MOUNTS_VARIABLE = "DOGBREED_MOUNTS"
"""Variable of a rehearsal without containers: a JSON mapping of container paths to folders."""
READ_ONLY_VARIABLE = "DOGBREED_READ_ONLY"
"""Variable of such a rehearsal: a JSON list of container paths that are mounted read-only."""

_FOLDERS = {"minio": "/minio", "s3": "/s3", "gs": "/gcs"}


def is_object_store(location: str) -> bool:
    """Returns whether a location is a URI in an object store."""
    return location.partition("://")[0] in _FOLDERS and "://" in location


def launcher_path(location: str) -> str:
    """Returns the path to which the launcher copies a URI such as s3://BUCKET/KEY.

    A query (after a question mark) configures the store and is dropped; plain paths stay.
    """
    if not is_object_store(location):
        return location
    scheme, _, rest = location.partition("://")
    return f"{_FOLDERS[scheme]}/{rest.partition('?')[0]}"


def restore_folder(path: str) -> None:
    """Makes a folder of an empty file that the launcher put in its place.

    Consoles and S3 clients mark a folder by an object of no bytes, `KEY/`, which stores list with
    what is in it. The launcher takes it for a file, and fails by itself if there is more.
    """
    place = Path(path)
    if place.is_file() and place.stat().st_size == 0:
        place.unlink()
        place.mkdir()


@dataclass
class Places:
    """Maps URIs and container paths to local paths, and back."""

    mounts: Mapping[str, str] = field(default_factory=dict)
    """Local folders by the container paths that they stand for; empty in a container."""
    read_only: tuple[str, ...] = ()
    """Container paths to treat as read-only."""
    _origins: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_environment(cls) -> Places:
        """Reads the mapping from the environment variables that a rehearsal sets."""
        return cls(
            json.loads(os.environ.get(MOUNTS_VARIABLE, "{}")),
            tuple(json.loads(os.environ.get(READ_ONLY_VARIABLE, "[]"))),
        )

    def local(self, location: str) -> str:
        """Returns the local path of a location and remembers it for `remote`."""
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
        """Returns the location of a path that `local` returned, or of one below it."""
        for path in sorted(self._origins, key=len, reverse=True):
            if _is_below(value, path):
                return self._origins[path] + value[len(path) :]
        return value

    def is_read_only(self, location: str) -> bool:
        """Returns whether a rehearsal mounts a location read-only."""
        return any(_is_below(launcher_path(location), path) for path in self.read_only)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
