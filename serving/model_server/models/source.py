"""Which versions of a model should be loaded: those that its folder holds and its policy wants."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)

_LARGEST_VERSION = 2**63 - 1

VersionPolicy: TypeAlias = FileSystemStoragePathSourceConfig.ServableVersionPolicy


@dataclass(frozen=True)
class ModelSource:
    """Where a model's versions lie, and which of them are wanted."""

    name: str
    base_path: Path
    policy: VersionPolicy

    def wanted_versions(self) -> dict[int, Path]:
        """Looks into the folder.

        Returns:
            The folders of the versions that the policy wants, the highest version first.

        Raises:
            OSError: the folder cannot be read.
        """
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
