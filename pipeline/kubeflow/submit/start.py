"""Hands a package to Kubeflow and starts a run of it, once or by the clock."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
from rich.console import Console

from foundation.errors import UserError
from pipeline.kubeflow.package import SCHEMA_VERSION, Package, load_package
from pipeline.kubeflow.rehearsal.tasks import tasks_in_order
from pipeline.kubeflow.submit.api import Kubeflow, Run

_HASH_DIGITS = 12  # hexadecimal; 48 bits are plenty for the versions of one pipeline


@dataclass(frozen=True)
class SubmittedPackage:
    """A compiled pipeline, checked as far as the file alone tells."""

    path: Path
    """The file."""
    name: str
    """The pipeline's name."""
    digest: str
    """Start of the SHA-256 of the file, in hexadecimal."""
    content: Package
    """What is in it."""
    steps: Mapping[str, str]
    """The nodes by the names of their tasks, each after those it waits for."""


def read_package(path: Path) -> SubmittedPackage:
    """Reads a package.

    Args:
        path: what `dogbreed compile` wrote.

    Raises:
        UserError: it is not there, or no package that the open-source backend would take.
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
    return SubmittedPackage(
        path=path,
        name=name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_DIGITS],
        content=package,
        steps=steps,
    )


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class _Field:
    """What one place of an expression may hold."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()  # stand for `first` and the numbers after it
    may_be_unset: bool = False  # "?", where the other kind of day decides


_SECOND = _Field("second", 0, 59)
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, may_be_unset=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS, may_be_unset=True),
)
_EXAMPLE = '"0 2 * * *" is every night at two'


def kubeflow_cron(expression: str) -> str:
    """Returns an expression as Kubeflow wants it: with six fields, seconds first.

    Kubeflow reads the usual five as seconds to months, which it does not refuse: "0 2 * * *" would
    start a run every hour, two minutes past.

    Args:
        expression: five fields as in crontab, or six with seconds first.

    Raises:
        UserError: it is neither.
    """
    fields = expression.split()
    if len(fields) == len(_FIELDS):
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS) + 1:
        raise UserError(
            f"--cron '{expression}' has {len(fields)} fields; there must be five (minute, hour, "
            f"day of the month, month, day of the week), or six with seconds first: {_EXAMPLE}."
        )
    for text, field in zip(fields, (_SECOND, *_FIELDS), strict=True):
        _check(text, field, expression)
    return " ".join(fields)


def _check(text: str, field: _Field, expression: str) -> None:
    for part in text.split(","):
        if not _fits(part, field):
            raise UserError(
                f"--cron '{expression}': the {field.name} cannot be '{part}'. It goes from "
                f"{field.first} to {field.last}, as a number, a range (1-5), a list (1,3) or a "
                f"step (*/2); {_EXAMPLE}."
            )


def _fits(part: str, field: _Field) -> bool:
    if part == "?":
        return field.may_be_unset
    matched = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
    if matched is None:
        return False
    whole, start, end, step = matched.groups()
    if step is not None and int(step) == 0:
        return False
    if whole == "*":
        return True
    first = _number(start, field)
    last = first if end is None else _number(end, field)
    return first is not None and last is not None and first <= last


def _number(text: str, field: _Field) -> int | None:
    """Returns what a number or a name stands for, or None where it is out of place."""
    if text.lower() in field.names:
        return field.first + field.names.index(text.lower())
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if field.first <= int(text) <= field.last else None


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
