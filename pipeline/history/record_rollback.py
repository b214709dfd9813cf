"""Notes a rollback in ML Metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution, ExecutionType

from foundation.errors import UserError
from foundation.rollback_note import Rollback
from pipeline.history import record_names as names
from pipeline.history.metadata_copy import open_store, reason_of


def record_rollback(root: Path, version: int, path: Path, note: Rollback) -> int:
    """Notes an execution between the PushedModel that was copied and the one that came of it.

    Args:
        root: folder of everything that runs keep.
        version: the version that the rollback made.
        path: its folder.
        note: what the rollback noted in it.

    Returns:
        The execution's number.

    Raises:
        UserError: the metadata cannot be written.
    """
    metadata_path = root / names.METADATA_FILE
    try:
        return _record(open_store(metadata_path), version, path, note)
    except (errors.StatusError, RuntimeError) as error:
        raise UserError(
            f"Version {version} is served now, a copy of version {note.copy_of}, but this could "
            f"not be recorded in {metadata_path}: {reason_of(error)}"
        ) from error


def _record(store: metadata_store.MetadataStore, version: int, path: Path, note: Rollback) -> int:
    execution = Execution(
        type_id=store.put_execution_type(ExecutionType(name=names.ROLLBACK)),
        last_known_state=Execution.COMPLETE,
    )
    execution.custom_properties[names.PUSHED_VERSION].string_value = str(version)
    execution.custom_properties[names.ROLLBACK_NOTE].string_value = json.dumps(asdict(note))
    pushed = Artifact(
        type_id=store.get_artifact_type(names.PUSHED_MODEL).id,
        uri=str(path),
        state=Artifact.LIVE,
    )
    pushed.custom_properties[names.PUSHED].int_value = 1
    pushed.custom_properties[names.PUSHED_VERSION].string_value = str(version)
    pushed.custom_properties[names.PUSHED_DESTINATION].string_value = str(path)
    copied = next(
        each
        for each in store.get_artifacts_by_type(names.PUSHED_MODEL)
        if each.custom_properties[names.PUSHED_VERSION].string_value == str(note.copy_of)
    )
    execution_id, _, _ = store.put_execution(
        execution,
        [(copied, Event(type=Event.INPUT)), (pushed, Event(type=Event.OUTPUT))],
        store.get_contexts_by_type(names.PIPELINE_CONTEXT)[:1],
    )
    return execution_id
