"""Command `dogbreed compile`: compiles or checks a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.exit_codes import ExitCode
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.kubeflow.package import Package


@app.command(name="compile")
def compile_(
    checked: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="With --check: a package that is there already."),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE.yaml", help="Where to write the package.")
    ] = Path("pipeline.yaml"),
    config: ConfigOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one setting, such as kubeflow.image=NAME; may be repeated. "
            "'dogbreed settings' lists all.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing: say what open-source Kubeflow Pipelines would refuse in FILE, or "
            "in what would be compiled. Exit code 1 if there is anything.",
        ),
    ] = False,
) -> None:
    """Write the pipeline as Kubeflow Pipelines takes it: one file, to be uploaded or rehearsed."""
    with clear_errors("Nothing was written."):
        from foundation.errors import UsageError
        from pipeline.config.load import load_config

        if checked is not None and not check:
            raise UsageError(f"{checked} is read with --check alone; -o says where to write.")
        package = None if checked else _compiled(load_config(config, settings or []))
        # Not before: kfp takes as long as what _compiled shows a spinner for.
        from pipeline.kubeflow.check import check_package
        from pipeline.kubeflow.package import load_package, write_package

        if checked is not None:
            package = load_package(checked)
        assert package is not None
        console = Console()
        findings = check_package(package)
        for finding in findings:
            console.print(str(finding), style="red", markup=False, highlight=False, soft_wrap=True)
        if findings:
            raise typer.Exit(ExitCode.FAILED)
        if check:
            console.print(f"{package.name}: nothing that Kubeflow Pipelines would refuse.")
            return
        write_package(package, out)
        tasks = package.pipeline["root"]["dag"]["tasks"]
        console.print(
            f"{out}: {len(tasks)} steps, {len(package.parameters)} parameters.", soft_wrap=True
        )


def _compiled(config: Config) -> Package:
    from pipeline.local.log import silenced

    with silenced("Loading TensorFlow and TFX"):
        from pipeline.kubeflow.compile import compile_package

        return compile_package(config)
