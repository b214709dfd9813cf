"""The calls of Kubeflow Pipelines' API that we need."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api

from foundation.errors import UserError
from pipeline.kubeflow.submit.connection import V1, V2, ApiClient, LoginPageError, RefusedError

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


_NOT_FOUND = 404


class Kubeflow:
    """Kubeflow Pipelines at one host.

    Args:
        client: sends the requests.
    """

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.host = client.connection.host
        self._namespace = client.connection.namespace

    def check(self) -> None:
        """Makes sure that a Kubeflow Pipelines of a known kind is there.

        Raises:
            UserError: it is not, it is too old, or it does not know us.
        """
        try:
            health = self.client.call("GET", f"{V2}/healthz", model="V2beta1GetHealthzResponse")
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            raise self._other_server() from None
        if health.multi_user and self._namespace is None:
            raise UserError(
                f"{self.host} has several users: say whose runs are meant with --namespace."
            )

    def find_pipeline(self, name: str) -> str | None:
        """Returns the identifier of the pipeline of that name, or None."""
        found = self.client.call(
            "GET",
            f"{V2}/pipelines",
            query={"namespace": self._namespace, "filter": _named("EQUALS", name)},
            model="V2beta1ListPipelinesResponse",
        )
        return found.pipelines[0].pipeline_id if found.pipelines else None

    def create_pipeline(self, name: str) -> str:
        """Makes a pipeline without versions, and returns its identifier."""
        body = kfp_server_api.V2beta1Pipeline(display_name=name, namespace=self._namespace)
        made = self.client.call("POST", f"{V2}/pipelines", body=body, model="V2beta1Pipeline")
        return str(made.pipeline_id)

    def find_version(self, pipeline_id: str, name_part: str) -> tuple[str, str] | None:
        """Returns identifier and name of a version whose name has `name_part`, or None."""
        found = self.client.call(
            "GET",
            f"{V2}/pipelines/{pipeline_id}/versions",
            query={"filter": _named("IS_SUBSTRING", name_part), "sort_by": "created_at desc"},
            model="V2beta1ListPipelineVersionsResponse",
        )
        if not found.pipeline_versions:
            return None
        newest = found.pipeline_versions[0]
        return newest.pipeline_version_id, newest.display_name

    def version_name(self, pipeline_id: str, version_id: str) -> str | None:
        """Returns a version's name; None where the version is gone."""
        try:
            version = self.client.call(
                "GET",
                f"{V2}/pipelines/{pipeline_id}/versions/{version_id}",
                model="V2beta1PipelineVersion",
            )
        except RefusedError:
            return None
        return version.display_name

    def upload_version(self, pipeline_id: str, name: str, package: Path) -> str:
        """Sends a package as a new version, and returns the version's identifier."""
        made = self.client.call(
            "POST",
            f"{V2}/pipelines/upload_version",
            query={"name": name, "pipelineid": pipeline_id},
            upload=package,
            model="V2beta1PipelineVersion",
        )
        return str(made.pipeline_version_id)

    def experiment(self, name: str) -> str:
        """Returns the identifier of the experiment of that name, which is made if need be."""
        experiment_id = self.find_experiment(name)
        if experiment_id is not None:
            return experiment_id
        body = kfp_server_api.V2beta1Experiment(display_name=name, namespace=self._namespace)
        made = self.client.call("POST", f"{V2}/experiments", body=body, model="V2beta1Experiment")
        return str(made.experiment_id)

    def find_experiment(self, name: str) -> str | None:
        """Returns the identifier of the experiment of that name, or None."""
        found = self.client.call(
            "GET",
            f"{V2}/experiments",
            query={"namespace": self._namespace, "filter": _named("EQUALS", name)},
            model="V2beta1ListExperimentsResponse",
        )
        return found.experiments[0].experiment_id if found.experiments else None

    def start_run(self, body: kfp_server_api.V2beta1Run) -> Run:
        """Starts a run."""
        return run_from(self.client.call("POST", f"{V2}/runs", body=body, model="V2beta1Run"))

    def run(self, run_id: str) -> Run:
        """Fetches a run with what is known of its tasks.

        Raises:
            UserError: there is none, or it cannot be fetched.
        """
        try:
            return run_from(self.client.call("GET", f"{V2}/runs/{run_id}", model="V2beta1Run"))
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            raise UserError(
                f"{self.host} has no run {run_id}. 'dogbreed runs' lists those it has."
            ) from None

    def cancel_run(self, run_id: str) -> None:
        """Asks a run to stop."""
        self.client.call("POST", f"{V2}/runs/{run_id}:terminate")

    def list_runs(self, limit: int, experiment_id: str | None = None) -> list[Run]:
        """Fetches the newest runs."""
        found = self.client.call(
            "GET",
            f"{V2}/runs",
            query={
                "namespace": None if experiment_id else self._namespace,
                "experiment_id": experiment_id,
                "page_size": limit,
                "sort_by": "created_at desc",
            },
            model="V2beta1ListRunsResponse",
        )
        return [run_from(one) for one in found.runs or ()]

    def find_recurring_runs(self, name: str) -> list[str]:
        """Returns the identifiers of the recurring runs of that name."""
        found = self.client.call(
            "GET",
            f"{V2}/recurringruns",
            query={"namespace": self._namespace, "filter": _named("EQUALS", name)},
            model="V2beta1ListRecurringRunsResponse",
        )
        return [one.recurring_run_id for one in found.recurring_runs or ()]

    def start_recurring_run(self, body: kfp_server_api.V2beta1RecurringRun) -> str:
        """Starts a recurring run and returns its identifier."""
        made = self.client.call(
            "POST", f"{V2}/recurringruns", body=body, model="V2beta1RecurringRun"
        )
        return str(made.recurring_run_id)

    def delete_recurring_run(self, recurring_run_id: str) -> None:
        """Ends a recurring run; the runs it started stay."""
        self.client.call("DELETE", f"{V2}/recurringruns/{recurring_run_id}")

    def workflow(self, run_id: str) -> Mapping[str, Any] | None:
        """Fetches the Argo workflow behind a run, which alone tells of pods; None without one."""
        try:
            detail = self.client.call("GET", f"{V1}/runs/{run_id}")
        except RefusedError:  # a server without the older API
            return None
        runtime = detail.get("pipeline_runtime", {}) if isinstance(detail, dict) else {}
        manifest = runtime.get("workflow_manifest") or runtime.get("pipeline_manifest")
        try:
            workflow = json.loads(manifest or "null")
        except ValueError:
            return None
        return workflow if isinstance(workflow, dict) else None

    def _other_server(self) -> UserError:
        """Says what answers where no Kubeflow Pipelines of version 2 does."""
        try:
            self.client.call("GET", f"{V1}/healthz")
        except (RefusedError, LoginPageError):
            return UserError(
                f"{self.host} answers, but is no Kubeflow Pipelines: {V2}/healthz is not there. "
                "Behind a whole Kubeflow, the address ends in /pipeline."
            )
        return UserError(
            f"{self.host} is too old: it has Kubeflow Pipelines' v1beta1 API only, and these "
            "packages need v2beta1, which 2.0 brought."
        )


def _named(operation: str, name: str) -> str:
    """Spells the filter that kfp's client sends to find things by name."""
    predicate = {"operation": operation, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})
