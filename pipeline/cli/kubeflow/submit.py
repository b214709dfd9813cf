"""`dogbreed submit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.errors import UserError
from pipeline.cli.app import ExitCode, app, clear_errors
from pipeline.cli.kubeflow.kubeflow_arguments import (
    CaOption,
    HostOption,
    IntervalOption,
    NamespaceOption,
    VerifyOption,
    connect,
)

if TYPE_CHECKING:
    from pipeline.kubeflow.submit.api import Kubeflow, Run
    from pipeline.kubeflow.submit.start import SubmittedPackage


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
            help='Run by the clock, in UTC: "0 2 * * *" is every night at two.',
        ),
    ] = None,
    catchup: Annotated[
        bool,
        typer.Option(
            "--catchup/--disable-catchup",
            help="Make up for each run that was missed, as after a pause of the cluster.",
        ),
    ] = True,
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
            raise UserError("--wait follows one run; a recurring run (--cron) has no end.")
        from pipeline.kubeflow.parameters import typed_parameters
        from pipeline.kubeflow.submit.start import kubeflow_cron, read_package

        console = Console()
        read = read_package(package)
        parameters = typed_parameters(read.content, param or [])
        clock = kubeflow_cron(cron) if cron is not None else None
        kubeflow = connect(host, namespace, ca, verify)

        from pipeline.kubeflow.submit.follow import page_of
        from pipeline.kubeflow.submit.start import (
            RunOptions,
            ensure_version,
            start_recurring_run,
            start_run,
        )

        options = RunOptions(
            parameters, experiment or read.name, name, service_account, pipeline_root
        )
        version = ensure_version(kubeflow, read, console)
        if clock is not None:
            recurring = start_recurring_run(
                kubeflow, read, version, options, cron=clock, catchup=catchup, replace=replace
            )
            console.print(f"Recurring run {recurring} started, by the clock '{clock}' in UTC.")
            return
        run = start_run(kubeflow, read, version, options)
        console.print(f"Run {run.run_id} started.", highlight=False)
        console.print(f"  page  {page_of(kubeflow, run)}", style="dim", soft_wrap=True)
        if wait:
            _wait(kubeflow, run, read, console, interval, cancel_on_interrupt)


def _wait(
    kubeflow: Kubeflow,
    run: Run,
    package: SubmittedPackage,
    console: Console,
    interval: float,
    cancel: bool,
) -> None:
    from pipeline.kubeflow.submit.follow import check_succeeded, follow, pushed, report_of
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
                kubeflow.cancel_run(run.run_id)
            raise
        console.print(display.table())
        check_succeeded(kubeflow, ended, package.steps)
        verdict = pushed(kubeflow, ended, package.steps)
        if verdict:
            console.print("\n[bold green]Succeeded and pushed[/]")
        elif verdict is None:
            console.print(
                "\n[bold green]Succeeded[/]. Pusher's log, which would say whether the model was "
                "pushed, cannot be had.",
                soft_wrap=True,
            )
        else:
            console.print("\n[bold red]Succeeded, not pushed[/]: what was served before stays.")
        if report := report_of(kubeflow, ended, package.steps):
            console.print(f"  report  {report}", highlight=False, soft_wrap=True)
        if verdict is False:
            raise typer.Exit(ExitCode.NOT_BLESSED)
