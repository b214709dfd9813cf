"""Command `dogbreed serve`: serves pushed models."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from foundation.errors import UserError
from foundation.versions import newest_version
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption
from serving.client.options import DEFAULT_MODEL

_TENSORFLOW_SERVING = "tensorflow_model_server"
_CONFIGS = Path(__file__).parents[3] / "serving" / "config"


def start_server(flags: Sequence[str], base_path: Path | None, console: Console) -> None:
    """Replaces this process by a model server of the versions in `base_path`, or the newest run's.

    Raises:
        UserError: nothing was pushed yet, or TensorFlow Serving is given a `--host`.
    """
    given = {flag.split("=", 1)[0].lstrip("-") for flag in flags if flag.startswith("-")}
    chosen = list(flags)
    if not given & {"model_config_file", "model_base_path", "help", "version"}:
        base_path = _pushed_to(base_path)
        chosen.append(f"--model_base_path={base_path}")
        console.print(f"Serving {base_path}", highlight=False, soft_wrap=True)
    if not given & {"model_config_file", "model_name", "help", "version"}:
        chosen.append(f"--model_name={DEFAULT_MODEL}")  # the name that our clients ask for
    chosen += [f"--{name}={value}" for name, value in _defaults(given).items() if name not in given]
    program = shutil.which(_TENSORFLOW_SERVING)
    if program and "host" in given:
        raise UserError(
            f"{program} always listens on every address of this machine and takes no --host: leave "
            "it out, or take TensorFlow Serving off PATH to run this project's own server."
        )
    command = [program] if program else [sys.executable, "-m", "serving.model_server"]
    sys.stdout.flush()
    os.execv(command[0], [*command, *chosen])


def _defaults(given: set[str]) -> dict[str, str]:
    defaults = {"port": "8500", "rest_api_port": "8501"}
    if "enable_batching" not in given:
        defaults["enable_batching"] = "true"
        defaults["batching_parameters_file"] = str(_CONFIGS / "batching.config")
    defaults["monitoring_config_file"] = str(_CONFIGS / "monitoring.config")
    return defaults


def _pushed_to(base_path: Path | None) -> Path:
    from pipeline.history.choose_run import newest_pushed

    if base_path is None:
        version = newest_pushed()
        if version is None:
            raise UserError(
                "Nothing was pushed below runs/ yet. 'dogbreed run' pushes a model; name the "
                "folder of another run with --root, or a folder of versions with "
                "--model_base_path=FOLDER."
            )
        return version.parent
    if newest_version(base_path) is None:
        raise UserError(f"{base_path} holds no version of a model: nothing was pushed there yet.")
    return base_path


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[OPTIONS] [FLAGS OF tensorflow_model_server]",
)
def serve(
    context: typer.Context,
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
) -> None:
    """Serve what was pushed last, over gRPC on port 8500 and REST on 8501.

    New versions are taken over as they are pushed; Ctrl-C stops. TensorFlow Serving runs where
    [bold]tensorflow_model_server[/] is installed, else a small server of our own that takes the
    same flags, such as [bold]--port=9000[/], [bold]--rest_api_port=0[/],
    [bold]--model_config_file=FILE[/], [bold]--ssl_config_file=FILE[/];
    [bold]python -m serving.model_server --help[/] lists them. Our own server answers callers on
    this machine only; [bold]--host=0.0.0.0[/] lets others in.
    """
    with clear_errors("Nothing was changed."):
        from pipeline.config.load import load_config

        base_path = root / "served" if root is not None else None
        if base_path is None and (config is not None or settings):
            base_path = load_config(config, settings or []).push_path
        start_server(context.args, base_path, Console())
