"""Rolls back: pushes a copy of an earlier version as the newest."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution, ExecutionType

from foundation.errors import UserError
from foundation.lock import only_push_to
from foundation.versions import (
    Rollback,
    list_versions,
    newest_version,
    next_version,
    read_about,
    read_rollback,
    write_rollback,
)
from pipeline.history import record_names as names
from pipeline.history.metadata_copy import open_store, reason_of
from pipeline.history.past_run import History


def record_rollback(root: Path, version: int, path: Path, note: Rollback) -> int:
    """Records a rollback as an execution from the copied PushedModel to the new one at `path`.

    Returns:
        The execution's id.

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


_INCOMING = ".rollback"  # not a number, so model servers ignore it


@dataclass(frozen=True)
class RolledBack:
    """Result of a rollback."""

    version: int
    """The new version."""
    path: Path
    note: Rollback


def check_pushed_here(history: History, version: int) -> None:
    """Checks that a run of this root or a rollback pushed a version; else raises UserError.

    Only what a run pushed was certainly blessed.
    """
    pushed = {run.pushed_version for run in history.runs} | {
        str(each.version) for each in history.rollbacks if each.recorded
    }
    if str(version) not in pushed:
        raise UserError(
            f"No run below {history.root} has pushed version {version}, so nothing says that it "
            f"was blessed. To serve it all the same, name its folder: --destination "
            f"{history.push_path}."
        )


def bounds_kept(history: History) -> Mapping[str, Any] | None:
    """Returns the bounds that the served version had to meet; None if not recorded."""
    for run in reversed(history.runs):
        if run.pushed_version == str(history.served_as) and {"evaluator", "canary"} <= set(
            run.configuration
        ):
            return {group: run.configuration[group] for group in ("evaluator", "canary")}
    return None


def check_version(push_path: Path, version: int) -> int:
    """Checks that a version can be rolled back to, and returns the served version.

    Raises:
        UserError: the version does not exist, holds no model, or is served already.
    """
    versions = list_versions(push_path)
    served = newest_version(push_path)
    if served is None:
        raise UserError(f"{push_path} holds no version of a model: nothing was pushed there yet.")
    if version not in versions:
        if (push_path / str(version)).exists():
            raise UserError(f"{push_path / str(version)} holds no model: it has no saved_model.pb.")
        raise UserError(f"{push_path} has no version {version}. {_in_words(push_path, versions)}")
    if version == served:
        raise UserError(f"Version {version} is the one that is served already.")
    note = read_rollback(push_path / str(served))
    if note is not None and version == note.copy_of:
        raise UserError(f"Version {version} is served already, as its copy {served}.")
    return served


def roll_back(
    push_path: Path,
    version: int,
    replaced: int,
    bounds: Mapping[str, Any] | None,
    reason: str | None,
) -> RolledBack:
    """Pushes a copy of a version under a new number, atomically; it replaces `replaced`.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    source = push_path / str(version)
    earlier = read_rollback(source)
    now = datetime.datetime.now(datetime.timezone.utc)
    note = Rollback(
        copy_of=earlier.copy_of if earlier is not None else version,
        replaced=replaced,
        replaced_recipe=read_about(push_path / str(replaced)).get("recipe"),
        bounds=bounds,
        rolled_back_at=now.isoformat(timespec="seconds"),
        reason=reason,
    )
    try:
        with only_push_to(push_path):
            number = _publish_copy(source, push_path, note)
    except shutil.Error as error:  # a list of files, each with its own reason
        raise UserError(f"Version {version} cannot be copied: {error.args[0][0][2]}.") from None
    except OSError as error:
        raise UserError(f"{push_path} cannot be written: {error.strerror}.") from None
    return RolledBack(number, push_path / str(number), note)


def _publish_copy(source: Path, push_path: Path, note: Rollback) -> int:
    """Copies a version under a new number, which it returns."""
    incoming = push_path / _INCOMING
    try:
        shutil.rmtree(incoming, ignore_errors=True)  # left by a killed rollback
        shutil.copytree(source, incoming)
        write_rollback(incoming, note)
        number = next_version(push_path)
        os.rename(incoming, push_path / str(number))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return number


def _in_words(push_path: Path, versions: list[int]) -> str:
    served = versions[-1]
    there = []
    for version in reversed(versions):
        note = read_rollback(push_path / str(version))
        words = f"{version}"
        if note is not None:
            words += f" (a copy of {note.copy_of})"
        there.append(f"{words} (served now)" if version == served else words)
    return f"There are {', '.join(there)}."
