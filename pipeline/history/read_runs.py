"""Reads the history of a root's runs from ML Metadata."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto.metadata_store_pb2 import Artifact, Context, Event, Execution, Value

from components.evaluator.metrics import METRICS
from foundation.lock import held_since
from foundation.names import PUSHED_BEFORE_PROPERTY, REPORT_TYPE
from foundation.versions import Rollback, list_versions, newest_version, read_rollback
from pipeline.history import record_names as names
from pipeline.history.metadata_copy import metadata_below
from pipeline.history.past_run import History, NodeRun, PastRollback, PastRun
from pipeline.history.record_names import State

_STATUS = {
    Execution.COMPLETE: "ran",
    Execution.CACHED: "reused",
    Execution.FAILED: "failed",
}


@dataclass(frozen=True)
class _Tables:
    artifacts: Mapping[int, Artifact]
    """By id."""
    outputs: Mapping[int, Sequence[int]]
    """Ids of output artifacts by execution id."""


def read_history(root: Path, push_path: Path | None = None) -> History:
    """Reads the history of a root without disturbing a run in progress.

    Without a push path, the last run's is taken.

    Raises:
        UserError: there are no records, or they cannot be read.
    """
    with metadata_below(root) as store:
        contexts = store.get_contexts_by_type(names.RUN_CONTEXT)
        contexts.sort(key=lambda context: context.create_time_since_epoch)
        tables = _read_tables(store)
        locked_since = held_since(root)
        runs = tuple(
            _past_run(number, context, store, tables, root, locked_since)
            for number, context in enumerate(contexts, start=1)
        )
        recorded = {each.version: each for each in _recorded_rollbacks(store)}
    push_path = push_path or _last_push_path(root, runs)
    noted = {each.version: each for each in _noted_rollbacks(push_path)}
    return History(
        root=root,
        push_path=push_path,
        runs=runs,
        rollbacks=tuple(each for _, each in sorted({**noted, **recorded}.items())),
        served_version=newest_version(push_path),
    )


def _read_tables(store: metadata_store.MetadataStore) -> _Tables:
    executions = store.get_executions()
    events = store.get_events_by_execution_ids([each.id for each in executions])
    outputs: dict[int, list[int]] = {}
    for event in events:
        if event.type == Event.OUTPUT:
            outputs.setdefault(event.execution_id, []).append(event.artifact_id)
    return _Tables(
        artifacts={each.id: each for each in store.get_artifacts()},
        outputs=outputs,
    )


def _past_run(
    number: int,
    context: Context,
    store: metadata_store.MetadataStore,
    tables: _Tables,
    root: Path,
    locked_since: float | None,
) -> PastRun:
    noted = _values(context.custom_properties)
    executions = sorted(store.get_executions_by_context(context.id), key=lambda each: each.id)
    artifacts = [
        tables.artifacts[artifact]
        for execution in executions
        for artifact in tables.outputs.get(execution.id, ())
    ]
    started_at = _moment(noted.get(names.STARTED_AT)) or _since_epoch(
        context.create_time_since_epoch
    )
    state = _state(noted, started_at, locked_since, executions, artifacts)
    nodes = tuple(_node_run(execution, state) for execution in executions)
    ended_at = _moment(noted.get(names.ENDED_AT))
    if ended_at is None and names.STARTED_AT not in noted and state is not State.INTERRUPTED:
        ended_at = max(_since_epoch(each.last_update_time_since_epoch) for each in executions)
    return PastRun(
        number=number,
        name=context.name,
        started_at=started_at,
        ended_at=ended_at,
        state=state,
        reasons=tuple(json.loads(noted.get(names.REASONS, "[]"))),
        failed_node=noted.get(names.FAILED_NODE)
        or next((node.name for node in nodes if node.status == "failed"), None),
        data_source=noted.get(names.DATA_SOURCE),
        data_fingerprint=noted.get(names.DATA_FINGERPRINT),
        data_splits=json.loads(noted.get(names.DATA_SPLITS, "{}")),
        num_breeds=noted.get(names.NUM_BREEDS),
        configuration=json.loads(noted[names.CONFIGURATION])
        if names.CONFIGURATION in noted
        else _known_settings(executions),
        figures={metric.name: noted[metric.name] for metric in METRICS if metric.name in noted},
        num_eval_examples=noted.get(names.NUM_EVAL_EXAMPLES),
        pushed_version=_text_of(artifacts, names.PUSHED_MODEL, names.PUSHED_VERSION),
        pushed_before=_pushed_before(nodes, artifacts),
        nodes=nodes,
        command_line=noted.get(names.COMMAND_LINE),
        git_commit=noted.get(names.GIT_COMMIT) or None,
        report=_folder_of(artifacts, REPORT_TYPE, root),
        evaluation=_folder_of(artifacts, names.MODEL_EVALUATION, root),
    )


def _pushed_before(nodes: Sequence[NodeRun], artifacts: Sequence[Artifact]) -> bool:
    """Returns whether the Pusher was reused, or found its model served already."""
    return any(node.name == "Pusher" and node.status == "reused" for node in nodes) or any(
        each.custom_properties[PUSHED_BEFORE_PROPERTY].int_value
        for each in artifacts
        if each.type == names.PUSHED_MODEL
    )


def _folder_of(artifacts: Sequence[Artifact], type_name: str, root: Path) -> Path | None:
    return next((moved(Path(each.uri), root) for each in artifacts if each.type == type_name), None)


def _state(
    noted: Mapping[str, Any],
    started_at: datetime.datetime,
    locked_since: float | None,
    executions: Sequence[Execution],
    artifacts: Sequence[Artifact],
) -> State:
    if names.OUTCOME in noted:
        return State(noted[names.OUTCOME])
    if names.STARTED_AT in noted:
        at_work = locked_since is not None and locked_since <= started_at.timestamp()
        return State.RUNNING if at_work else State.INTERRUPTED
    return _state_from_nodes(executions, artifacts)


def _state_from_nodes(executions: Sequence[Execution], artifacts: Sequence[Artifact]) -> State:
    """Derives the state of a run without a recorded end from its nodes."""
    ended = {Execution.COMPLETE, Execution.CACHED}
    if any(each.last_known_state == Execution.FAILED for each in executions):
        return State.FAILED
    verdicts = [each for each in artifacts if each.type == names.MODEL_BLESSING]
    if not verdicts or any(each.last_known_state not in ended for each in executions):
        return State.INTERRUPTED
    if _text_of(artifacts, names.PUSHED_MODEL, names.PUSHED_VERSION):
        return State.PUSHED
    blessed = all(each.custom_properties["blessed"].int_value for each in verdicts)
    may_push = any(each.type == names.PUSHED_MODEL for each in artifacts)
    return State.BLESSED if blessed and not may_push else State.REFUSED


def _node_run(execution: Execution, state: State) -> NodeRun:
    unfinished = State.RUNNING if state is State.RUNNING else State.INTERRUPTED
    status = _STATUS.get(execution.last_known_state, unfinished.value)
    milliseconds = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return NodeRun(
        name=execution.type.rpartition(".")[2],
        status=status,
        elapsed_s=None if status == unfinished.value else milliseconds / 1000,
    )


def _known_settings(executions: Sequence[Execution]) -> dict[str, Any]:
    """Reads the Trainer's settings, for a run without a recorded configuration."""
    for execution in executions:
        if "run_fn" in execution.custom_properties:
            told = json.loads(execution.custom_properties["custom_config"].string_value)
            return {group: told[group] for group in ("transform", "trainer") if group in told}
    return {}


def _last_push_path(root: Path, runs: Sequence[PastRun]) -> Path:
    for run in reversed(runs):
        if "pusher" in run.configuration:
            destination = run.configuration["pusher"]["destination"]
            return Path(destination) if destination else root / "served"
    return root / "served"


def _recorded_rollbacks(store: metadata_store.MetadataStore) -> Iterator[PastRollback]:
    for execution in store.get_executions():
        if execution.type == names.ROLLBACK:
            noted = _values(execution.custom_properties)
            note = Rollback(**json.loads(noted[names.ROLLBACK_NOTE]))
            yield PastRollback(int(noted[names.PUSHED_VERSION]), note, recorded=True)


def _noted_rollbacks(push_path: Path) -> Iterator[PastRollback]:
    for version in list_versions(push_path):
        note = read_rollback(push_path / str(version))
        if note is not None:
            yield PastRollback(version, note, recorded=False)


def moved(path: Path, root: Path) -> Path:
    """Finds an artifact's folder below a root that was moved or copied."""
    if not path.is_dir() and "artifacts" in path.parts:
        below = path.parts[len(path.parts) - path.parts[::-1].index("artifacts") :]
        return root.joinpath("artifacts", *below)
    return path


def _text_of(artifacts: Sequence[Artifact], type_name: str, key: str) -> str | None:
    values = (
        each.custom_properties[key].string_value for each in artifacts if each.type == type_name
    )
    return next((value for value in values if value), None)


def _values(properties: Mapping[str, Value]) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof("value")) for name, value in properties.items()}


def _moment(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _since_epoch(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
