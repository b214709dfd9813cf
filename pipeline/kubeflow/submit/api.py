"""The calls of Kubeflow Pipelines' API that we need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kfp_server_api

from foundation.errors import UserError
from pipeline.kubeflow.submit.api_client import V1, V2, ApiClient
from pipeline.kubeflow.submit.api_errors import LoginPageError, RefusedError
from pipeline.kubeflow.submit.runs import Run, run_from

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
