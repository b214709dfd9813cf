"""Calls Kubeflow Pipelines' API; results are kfp's own models."""

from __future__ import annotations

import datetime
import json
from contextlib import suppress
from typing import Any, Literal

import kfp_server_api
from kfp_server_api import V2beta1PipelineTaskDetail, V2beta1PipelineVersion, V2beta1Run

from foundation.errors import UserError
from pipeline.kubeflow.submit.client import ApiClient, LoginPageError, NotFoundError, RefusedError
from pipeline.kubeflow.submit.workflow import DRIVER, Workflow

# States of runs and tasks.
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CANCELED = "CANCELED"
ENDED = (SUCCEEDED, FAILED, CANCELED, "SKIPPED")
"""Final states."""

Kind = Literal["pipeline", "experiment", "recurring_run"]
"""Kinds of objects that `Kubeflow.find` finds by name."""

_RUN_ID_LENGTH = 36  # characters of a UUID


def tasks_of(run: V2beta1Run) -> dict[str, V2beta1PipelineTaskDetail]:
    """Returns a run's tasks by name: the package's tasks and their drivers."""
    details = run.run_details.task_details if run.run_details else None
    return {task.display_name: task for task in details or ()}


def moment(value: datetime.datetime | None) -> datetime.datetime | None:
    """Returns a time, or None for the years 1 and 1970, by which Kubeflow means "not yet"."""
    return value if value is not None and value.year > 1970 else None


def elapsed_s(run: V2beta1Run, step: str) -> float:
    """Returns the seconds that a step took, or its driver if only that ran."""
    tasks = tasks_of(run)
    task = tasks.get(step) or tasks.get(step + DRIVER)
    if task is None or not (moment(task.start_time) and moment(task.end_time)):
        return 0.0
    return (task.end_time - task.start_time).total_seconds()


class Kubeflow:
    """A Kubeflow Pipelines server; every method raises a `UserError` if a request fails."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.host = client.connection.host
        self._namespace = client.connection.namespace

    def check(self) -> None:
        """Checks that the server has API v2beta1 and grants access, and that a namespace is set."""
        try:
            health = self.call("Healthz", "get_healthz")
        except NotFoundError:
            raise self._other_server() from None
        if health.multi_user and self._namespace is None:
            whose = "say whose runs are meant with --namespace"
            raise UserError(f"{self.host} has several users: {whose}.")

    def call(self, service: str, name: str, /, *arguments: Any, **options: Any) -> Any:
        """Calls one of kfp's generated methods, such as list_runs of `RunServiceApi`.

        Names are those of kfp-server-api 2.0; later versions have run_service_list_runs.
        """
        methods = getattr(kfp_server_api, f"{service}ServiceApi")(self.client)
        names = (each for each in dir(methods) if each == name or each.endswith(f"_service_{name}"))
        return getattr(methods, next(names))(*arguments, **options)

    def find(self, kind: Kind, name: str) -> list[str]:
        """Returns the identifiers of the objects of a kind with a name."""
        condition = _filter("display_name", "EQUALS", name)
        found = self.call(
            _service(kind), f"list_{kind}s", namespace=self._namespace, filter=condition
        )
        return [getattr(one, f"{kind}_id") for one in getattr(found, f"{kind}s") or ()]

    def ensure(self, kind: Kind, name: str) -> str:
        """Returns the identifier of the object with a name, and creates it if missing."""
        if found := self.find(kind, name):
            return found[0]
        model = getattr(kfp_server_api, f"V2beta1{_service(kind)}")
        body = model(display_name=name, namespace=self._namespace)
        return getattr(self.call(_service(kind), f"create_{kind}", body), f"{kind}_id")

    def find_version(self, pipeline_id: str, name_part: str) -> V2beta1PipelineVersion | None:
        """Returns the newest version of a pipeline whose name contains `name_part`, or None."""
        found = self.call(
            "Pipeline",
            "list_pipeline_versions",
            pipeline_id,
            filter=_filter("display_name", "IS_SUBSTRING", name_part),
            sort_by="created_at desc",
        ).pipeline_versions
        return found[0] if found else None

    def run(self, run_id: str) -> V2beta1Run:
        """Fetches a run with its task details, by its identifier or the start of it."""
        found = [run_id]
        if len(run_id) < _RUN_ID_LENGTH:
            condition = _filter("run_id", "IS_SUBSTRING", run_id)
            listed = self.call("Run", "list_runs", namespace=self._namespace, filter=condition)
            ids = [one.run_id for one in listed.runs or ()]
            found = [one for one in ids if one.startswith(run_id)]
        if len(found) > 1:
            raise UserError(f"Several runs begin with {run_id}: {', '.join(found)}.")
        with suppress(NotFoundError):
            if found:
                return self.call("Run", "get_run", found[0])
        raise UserError(f"{self.host} has no run {run_id}. 'dogbreed runs' lists those it has.")

    def list_runs(self, limit: int, experiment_id: str | None = None) -> list[V2beta1Run]:
        """Fetches the newest runs, of one experiment or of all."""
        found = self.call(
            "Run",
            "list_runs",
            namespace=None if experiment_id else self._namespace,
            experiment_id=experiment_id,
            page_size=limit,
            sort_by="created_at desc",
        )
        return found.runs or []

    def workflow(self, run_id: str) -> Workflow | None:
        """Fetches the Argo workflow of a run, the only source on its pods; None without one.

        Only the older API serves it, from a copy: the cluster's is deleted an hour after its end.
        """
        try:
            detail = json.loads(self.client.read_text(f"/apis/v1beta1/runs/{run_id}"))
            return Workflow(json.loads(detail["pipeline_runtime"]["workflow_manifest"]))
        except (RefusedError, ValueError, TypeError, KeyError, AttributeError):
            return None  # a server without the older API, or without a copy

    def _other_server(self) -> UserError:
        """Returns the error for a server without API v2beta1."""
        try:
            self.client.read_text("/apis/v1beta1/healthz")
        except (RefusedError, LoginPageError):
            return UserError(
                f"{self.host} answers, but is no Kubeflow Pipelines: /apis/v2beta1/healthz is not "
                "there. Behind a whole Kubeflow, the address ends in /pipeline."
            )
        return UserError(
            f"{self.host} is too old: it has Kubeflow Pipelines' v1beta1 API only, and these "
            "packages need v2beta1, which 2.0 brought."
        )


def _service(kind: Kind) -> str:
    return kind.title().replace("_", "")


def _filter(key: str, operation: str, text: str) -> str:
    """Returns a condition for list calls: message Filter of the API, as JSON."""
    predicate = {"operation": operation, "key": key, "stringValue": text}
    return json.dumps({"predicates": [predicate]})
