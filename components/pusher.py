"""TFX's Pusher, whose version appears in the destination whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import PUSH_DESTINATION_KEY, PUSHED_MODEL_KEY
from tfx.utils import proto_utils

from serving.versions import list_versions

_INCOMING = ".incoming"  # not a number, so no model server looks into it


class PusherExecutor(executor.Executor):
    """Lets TFX push into a folder beside the versions, then renames it into place.

    TFX copies file by file into the final folder. A model server that looks in the middle loads
    half a model, and a killed push leaves one there for good.
    """

    def Do(  # noqa: N802 - overrides TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes a blessed model, as `tfx.components.pusher.executor.Executor.Do` says."""
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[PUSH_DESTINATION_KEY], destination)
        base_path = Path(destination.filesystem.base_directory)
        incoming = base_path / _INCOMING
        shutil.rmtree(incoming, ignore_errors=True)  # left by a push that was killed
        destination.filesystem.base_directory = str(incoming)
        staged_properties = {
            **exec_properties,
            PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination),
        }
        try:
            super().Do(input_dict, output_dict, staged_properties)
            for staged in list_versions(incoming):
                version = _next_version(base_path)
                os.rename(incoming / str(staged), base_path / str(version))
                self._MarkPushed(
                    artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY]),
                    pushed_destination=str(base_path / str(version)),
                    pushed_version=str(version),
                )
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


class Pusher(component.Pusher):
    """`tfx.components.Pusher` to a file system, one rename a version."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)


def _next_version(base_path: Path) -> int:
    """Seconds since 1970, or more where a version of this second is there already."""
    return max([int(time.time()), *(version + 1 for version in list_versions(base_path)[-1:])])
