"""What Kubeflow Pipelines tells of runs, as far as we use it; free of kfp imports."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUCCEEDED = "SUCCEEDED"
"""State of a run that did all it should."""
FAILED = "FAILED"
"""State of a run of which a step failed."""
CANCELED = "CANCELED"
"""State of a run that was stopped."""
DRIVER = "-driver"
"""What Kubeflow appends to a step's name for the helper that prepares it."""
ENDED = (SUCCEEDED, FAILED, CANCELED, "SKIPPED")
"""States that a run does not leave."""

_ROOT = "root"  # the task around all steps


@dataclass(frozen=True)
class Task:
    """One task of a run, as the API tells: a step of ours, or one of the helpers around it."""

    name: str
    """The name; a step's is the one in the package."""
    state: str
    """One of Kubeflow's states; empty where it has none yet."""
    started_at: datetime.datetime | None
    """When it began."""
    ended_at: datetime.datetime | None
    """When it ended."""
    error: str | None
    """Why it failed, where the API says so."""


@dataclass(frozen=True)
class Run:
    """A run."""

    run_id: str
    """How the API calls it."""
    name: str
    """How people call it."""
    state: str
    """One of Kubeflow's states."""
    created_at: datetime.datetime | None
    """When it was asked for."""
    ended_at: datetime.datetime | None
    """When it ended; None while it runs."""
    error: str | None
    """Why it failed, where the API says so."""
    pipeline_id: str | None
    """The pipeline that it is of; None where it was started from a specification."""
    version_id: str | None
    """That pipeline's version."""
    tasks: Mapping[str, Task]
    """What is known of its tasks, by name."""


def run_from(model: Any) -> Run:
    """Reads a `V2beta1Run`."""
    reference = model.pipeline_version_reference
    details = model.run_details.task_details if model.run_details is not None else None
    tasks = [_task_from(one) for one in details or ()]
    return Run(
        run_id=model.run_id,
        name=model.display_name or "",
        state=model.state or "",
        created_at=_time(model.created_at),
        ended_at=_time(model.finished_at),
        error=_message(model.error),
        pipeline_id=reference.pipeline_id if reference is not None else None,
        version_id=reference.pipeline_version_id if reference is not None else None,
        tasks={task.name: task for task in tasks},
    )


def step_names(run: Run) -> list[str]:
    """Returns the steps of a run that have begun, in the order in which they did."""
    drivers = [
        task
        for task in run.tasks.values()
        if task.name.endswith(DRIVER) and task.name != f"{_ROOT}{DRIVER}"
    ]
    drivers.sort(key=lambda task: task.started_at.timestamp() if task.started_at else 0.0)
    return [task.name.removesuffix(DRIVER) for task in drivers]


def _task_from(model: Any) -> Task:
    return Task(
        name=model.display_name or "",
        state=model.state or "",
        started_at=_time(model.start_time),
        ended_at=_time(model.end_time),
        error=_message(model.error),
    )


def _time(value: datetime.datetime | None) -> datetime.datetime | None:
    """Drops the times that stand for "not yet": the years 1 and 1970."""
    return value if value is not None and value.year > 1970 else None


def _message(status: Any) -> str | None:
    return status.message if status is not None and status.message else None
