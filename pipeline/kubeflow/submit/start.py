"""Hands a package to Kubeflow and starts a run of it, once or by the clock."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import kfp_server_api
from rich.console import Console

from foundation.errors import UserError
from pipeline.kubeflow.submit.api import Kubeflow
from pipeline.kubeflow.submit.package import SubmittedPackage
from pipeline.kubeflow.submit.runs import Run


@dataclass(frozen=True)
class RunOptions:
    """How a package is to be run."""

    parameters: Mapping[str, Any]
    """Values by name; what is not there has the package's default."""
    experiment: str
    """Name of the experiment that runs belong to."""
    name: str | None = None
    """Name of the run; None for the pipeline's and the time."""
    service_account: str | None = None
    """Kubernetes service account of the pods; None for the server's default."""
    pipeline_root: str | None = None
    """Where artifacts go, such as s3://BUCKET/FOLDER; None for the server's default."""


@dataclass(frozen=True)
class Version:
    """A package as Kubeflow has it."""

    pipeline_id: str
    """The pipeline."""
    version_id: str
    """Its version."""
    name: str
    """The version's name: when it was uploaded, and the start of the package's hash."""


def ensure_version(kubeflow: Kubeflow, package: SubmittedPackage, console: Console) -> Version:
    """Uploads a package, unless the very same is there already.

    Args:
        kubeflow: where to.
        package: what to upload.
        console: told what was done.

    Raises:
        UserError: Kubeflow does not take it.
    """
    pipeline_id = kubeflow.find_pipeline(package.name)
    if pipeline_id is None:
        pipeline_id = kubeflow.create_pipeline(package.name)
    elif (found := kubeflow.find_version(pipeline_id, package.digest)) is not None:
        console.print(f"Pipeline {package.name} has version {found[1]} already: the same package.")
        return Version(pipeline_id, *found)
    name = f"{_now():%Y%m%d-%H%M%S}-{package.digest}"
    version_id = kubeflow.upload_version(pipeline_id, name, package.path)
    console.print(f"Pipeline {package.name}: uploaded version {name}.")
    return Version(pipeline_id, version_id, name)


def start_run(
    kubeflow: Kubeflow, package: SubmittedPackage, version: Version, options: RunOptions
) -> Run:
    """Starts one run.

    Raises:
        UserError: Kubeflow refuses it.
    """
    return kubeflow.start_run(
        kfp_server_api.V2beta1Run(
            display_name=options.name or f"{package.name} {_now():%Y-%m-%d %H:%M:%S}",
            **_common(kubeflow, version, options),
        )
    )


def start_recurring_run(
    kubeflow: Kubeflow,
    package: SubmittedPackage,
    version: Version,
    options: RunOptions,
    *,
    cron: str,
    catchup: bool,
    replace: bool,
) -> str:
    """Starts a recurring run: at most one run at a time.

    Args:
        kubeflow: where.
        package: the package, after which the recurring run is called by default.
        version: what to run.
        options: how to run it.
        cron: six fields, seconds first.
        catchup: whether runs that were missed are made up for, one by one.
        replace: whether recurring runs of the same name end.

    Returns:
        Its identifier.

    Raises:
        UserError: there is one of that name already, or Kubeflow refuses it.
    """
    name = options.name or package.name
    there = kubeflow.find_recurring_runs(name)
    if there and not replace:
        raise UserError(
            f"There is a recurring run {name} already ({there[0]}), and both would run. Give "
            "--replace to end it, or another --name."
        )
    recurring_run_id = kubeflow.start_recurring_run(
        kfp_server_api.V2beta1RecurringRun(
            display_name=name,
            mode="ENABLE",
            max_concurrency="1",
            no_catchup=not catchup,
            trigger=kfp_server_api.V2beta1Trigger(
                cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=cron)
            ),
            **_common(kubeflow, version, options),
        )
    )
    for old in there:
        kubeflow.delete_recurring_run(old)
    return recurring_run_id


def _common(kubeflow: Kubeflow, version: Version, options: RunOptions) -> dict[str, Any]:
    return {
        "experiment_id": kubeflow.experiment(options.experiment),
        "pipeline_version_reference": kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
        ),
        "runtime_config": kfp_server_api.V2beta1RuntimeConfig(
            parameters=dict(options.parameters), pipeline_root=options.pipeline_root
        ),
        "service_account": options.service_account,
    }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
