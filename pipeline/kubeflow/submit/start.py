"""Uploads packages to Kubeflow and starts one-time and recurring runs of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp_server_api import V2beta1PipelineVersion, V2beta1Run
from rich.console import Console

from foundation.errors import UserError
from foundation.fingerprint import digest
from pipeline.kubeflow.package import SCHEMA_VERSION, Package, load_package
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order
from pipeline.kubeflow.submit.api import Kubeflow

_HASH_DIGITS = 12  # hexadecimal; 48 bits are plenty for the versions of one pipeline


@dataclass(frozen=True)
class SubmittedPackage:
    """A package file with its parsed content, not yet checked by a server."""

    path: Path
    name: str
    """The pipeline's name."""
    digest: str
    """Start of the SHA-256 of the file, in hexadecimal."""
    content: Package
    steps: Mapping[str, str]
    """Nodes by the names of their tasks, in topological order."""

    @property
    def run_name(self) -> str:
        """Default name of a run: the pipeline and the time."""
        return f"{self.name} {_now():%Y-%m-%d %H:%M:%S}"


def read_package(path: Path) -> SubmittedPackage:
    """Reads a package that `dogbreed compile` wrote.

    Raises:
        UserError: it is missing, or the open-source backend would refuse it.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path} must end in .yaml: Kubeflow tells a package by its file name.")
    package = load_package(path)
    schema = package.pipeline.get("schemaVersion")
    if schema != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {schema}; open-source Kubeflow takes {SCHEMA_VERSION} "
            "only. 'dogbreed compile' writes that."
        )
    try:
        name, _ = package.name, package.parameters
        steps = {task.name: task.node for task in tasks_in_order(package)}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"{path} is a damaged package: 'dogbreed compile --check {path}' says where."
        ) from None
    if not (name and steps):
        raise UserError(f"{path} is an empty package: it has no name or no steps.")
    return SubmittedPackage(path, name, digest(path.read_bytes(), _HASH_DIGITS), package, steps)


def ensure_version(
    kubeflow: Kubeflow, package: SubmittedPackage, console: Console
) -> V2beta1PipelineVersion:
    """Uploads a package unless an equal one is there already, and returns its version.

    A version's name ends in the start of its package's hash, by which it is found again.
    """
    pipeline_id = kubeflow.ensure("pipeline", package.name)
    version = kubeflow.find_version(pipeline_id, package.digest)
    if version is not None:
        name = version.display_name
        console.print(f"Pipeline {package.name} has version {name} already: the same package.")
        return version
    name = f"{_now():%Y%m%d-%H%M%S}-{package.digest}"
    named = {"name": name, "pipelineid": pipeline_id}
    version = kubeflow.call("PipelineUpload", "upload_pipeline_version", str(package.path), **named)
    console.print(f"Pipeline {package.name}: uploaded version {version.display_name}.")
    return version


@dataclass(frozen=True)
class RunOptions:
    """Options of a run or recurring run."""

    name: str
    experiment: str
    """Name of the experiment that runs belong to."""
    parameters: Mapping[str, Any]
    """Values by name; others have the package's default."""
    service_account: str | None = None
    """Kubernetes service account of the pods; None for the server's default."""
    pipeline_root: str | None = None
    """URI for artifacts, such as s3://BUCKET/FOLDER; None for the server's default."""

    def start(self, kubeflow: Kubeflow, version: V2beta1PipelineVersion) -> V2beta1Run:
        """Starts one run."""
        return kubeflow.call("Run", "create_run", V2beta1Run(**self.fields(kubeflow, version)))

    def fields(self, kubeflow: Kubeflow, version: V2beta1PipelineVersion) -> dict[str, Any]:
        """Returns the fields that runs and recurring runs have in common."""
        return {
            "display_name": self.name,
            "experiment_id": kubeflow.ensure("experiment", self.experiment),
            "pipeline_version_reference": kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
            ),
            "runtime_config": kfp_server_api.V2beta1RuntimeConfig(
                parameters=dict(self.parameters), pipeline_root=self.pipeline_root
            ),
            "service_account": self.service_account,
        }


def start_recurring_run(
    kubeflow: Kubeflow,
    version: V2beta1PipelineVersion,
    options: RunOptions,
    *,
    cron: str,
    catchup: bool,
    replace: bool,
) -> str:
    """Starts a recurring run, at most one run at a time, and returns its identifier.

    `cron` has six fields, seconds first. With `catchup`, missed runs are started one by one. With
    `replace`, recurring runs of the same name are deleted; their past runs stay.

    Raises:
        UserError: there is one of that name already, or Kubeflow refuses it.
    """
    there = kubeflow.find("recurring_run", options.name)
    if there and not replace:
        raise UserError(
            f"There is a recurring run {options.name} already ({there[0]}), and both would run. "
            "Give --replace to end it, or another --name."
        )
    clock = kfp_server_api.V2beta1CronSchedule(cron=cron)
    body = kfp_server_api.V2beta1RecurringRun(
        mode="ENABLE",
        max_concurrency="1",
        no_catchup=not catchup,
        trigger=kfp_server_api.V2beta1Trigger(cron_schedule=clock),
        **options.fields(kubeflow, version),
    )
    made = kubeflow.call("RecurringRun", "create_recurring_run", body)
    for old in there:
        kubeflow.call("RecurringRun", "delete_recurring_run", old)
    return str(made.recurring_run_id)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
