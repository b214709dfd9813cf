"""Command `dogbreed submit`: runs a package on Kubeflow Pipelines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.errors import UsageError
from foundation.exit_codes import ExitCode
from pipeline.cli.app import app, clear_errors
from pipeline.cli.kubeflow.kubeflow_arguments import (
    CaOption,
    HostOption,
    IntervalOption,
    NamespaceOption,
    VerifyOption,
    connect,
)

if TYPE_CHECKING:
    from kfp_server_api import V2beta1Run

    from pipeline.kubeflow.submit.api import Kubeflow
    from pipeline.kubeflow.submit.start import SubmittedPackage

# Fields of a cron expression: name, range, names of its numbers.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_CRON_EXAMPLE = '"0 2 * * *" is every night at two'


@app.command()
def submit(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="What 'dogbreed compile' wrote.")
    ] = Path("pipeline.yaml"),
    host: HostOption = None,
    namespace: NamespaceOption = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Experiment; made if need be. Default: the pipeline's name."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the run. Default: the pipeline's and the time."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="One of the package's parameters; repeatable."),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(
            metavar="EXPRESSION",
            help=f"Run by the clock, in UTC: {_CRON_EXAMPLE}.",
        ),
    ] = None,
    catchup: Annotated[
        bool,
        typer.Option(
            "--catchup",
            help="With --cron: make up, one by one, for each run that was missed while the cluster "
            "or the recurring run was paused. Default: those are left out.",
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --cron: end recurring runs of the same name.")
    ] = False,
    service_account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Kubernetes service account of the pods.")
    ] = None,
    pipeline_root: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Where artifacts go, such as s3://BUCKET/FOLDER."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run, and end as it ends: see exit codes.")
    ] = False,
    cancel_on_interrupt: Annotated[
        bool,
        typer.Option("--cancel-on-interrupt", help="With --wait: Ctrl-C stops the run too."),
    ] = False,
    interval: IntervalOption = 3.0,
    ca: CaOption = None,
    verify: VerifyOption = True,
) -> None:
    """Hand a compiled package to Kubeflow Pipelines and run it, once or by the clock."""
    with clear_errors("'dogbreed runs' shows whether a run was started."):
        if wait and cron is not None:
            raise UsageError("--wait follows one run; a recurring run (--cron) has no end.")
        from pipeline.kubeflow.parameters import typed_parameters
        from pipeline.kubeflow.submit.start import read_package

        console = Console()
        read = read_package(package)
        parameters = typed_parameters(read.content, param or [])
        clock = kubeflow_cron(cron) if cron is not None else None
        kubeflow = connect(host, namespace, ca, verify)

        from pipeline.kubeflow.submit.follow import page_of
        from pipeline.kubeflow.submit.start import RunOptions, ensure_version, start_recurring_run

        run_name = name or (read.name if clock else read.run_name)
        options = RunOptions(
            run_name, experiment or read.name, parameters, service_account, pipeline_root
        )
        version = ensure_version(kubeflow, read, console)
        if clock is not None:
            recurring = start_recurring_run(
                kubeflow, version, options, cron=clock, catchup=catchup, replace=replace
            )
            console.print(f"Recurring run {recurring} started, by the clock '{clock}' in UTC.")
            return
        run = options.start(kubeflow, version)
        console.print(f"Run {run.run_id} started.", highlight=False)
        console.print(f"  page  {page_of(kubeflow, run)}", style="dim", soft_wrap=True)
        if wait:
            _wait(kubeflow, run, read, console, interval, cancel_on_interrupt)


def _wait(
    kubeflow: Kubeflow,
    run: V2beta1Run,
    package: SubmittedPackage,
    console: Console,
    interval: float,
    cancel: bool,
) -> None:
    from pipeline.config.nodes import REPORT
    from pipeline.kubeflow.submit.follow import check_succeeded, follow, page_of, pushed
    from pipeline.local.display import RunDisplay

    with clear_errors(
        f"Run {run.run_id} was told to stop."
        if cancel
        else f"Run {run.run_id} goes on; 'dogbreed runs' shows how it stands."
    ):
        display = RunDisplay(console)
        try:
            with display:
                ended = follow(kubeflow, run, package.steps, display, interval)
        except KeyboardInterrupt:
            if cancel:
                kubeflow.call("Run", "terminate_run", run.run_id)
            raise
        console.print(display.table())
        check_succeeded(kubeflow, ended, package.steps)
        verdict = pushed(kubeflow, ended, package.steps)
        if verdict:
            console.print("\n[bold green]Succeeded and pushed[/]")
        elif verdict is None:
            console.print(
                "\n[bold green]Succeeded[/]. Whether a model was pushed cannot be told: neither "
                "the run's workflow nor a log of Pusher that says it is there.",
                soft_wrap=True,
            )
        else:
            console.print("\n[bold red]Succeeded, not pushed[/]: what was served before stays.")
        if REPORT.name in package.steps.values():
            console.print(
                f"  report  {page_of(kubeflow, ended)}, below {REPORT.name}: the artifact "
                "'report', its tab Visualization",
                highlight=False,
                soft_wrap=True,
            )
        if verdict is False:
            raise typer.Exit(ExitCode.NOT_BLESSED)


def kubeflow_cron(expression: str) -> str:
    """Converts a cron expression to Kubeflow's six fields, seconds first.

    Kubeflow accepts five fields but reads them as seconds to months: "0 2 * * *" would run every
    hour, two minutes past.

    Raises:
        UserError: it has neither five valid fields nor six.
    """
    fields = expression.split()
    if len(fields) == len(_CRON_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(_CRON_FIELDS):
        raise UsageError(
            f"--cron '{expression}' has {len(fields)} fields; there must be five (minute, hour, "
            f"day of the month, month, day of the week), or six with seconds first: "
            f"{_CRON_EXAMPLE}."
        )
    for text, (field, first, last, names) in zip(fields, _CRON_FIELDS, strict=True):
        numbers = {str(number): number for number in range(first, last + 1)}
        numbers |= {name: first + index for index, name in enumerate(names)}
        for part in text.lower().split(","):
            if not ((part == "?" and field.startswith("day")) or _is_cron_range(part, numbers)):
                raise UsageError(
                    f"--cron '{expression}': the {field} cannot be '{part}'. It goes from {first} "
                    f"to {last}, as a number, a range (1-5), a list (1,3) or a step (*/2); "
                    f"{_CRON_EXAMPLE}."
                )
    return " ".join(fields)


def _is_cron_range(part: str, numbers: dict[str, int]) -> bool:
    whole = re.fullmatch(r"(?:\*|0*(\w+)(?:-0*(\w+))?)(?:/0*[1-9]\d*)?", part, re.ASCII)
    if whole is None:
        return False
    first, last = whole.groups()
    return first is None or numbers.get(first, 1000) <= numbers.get(last or first, -1)
