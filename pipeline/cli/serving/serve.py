"""`dogbreed serve`."""

from __future__ import annotations

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption


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
    [bold]python -m serving.model_server --help[/] lists them.
    """
    with clear_errors("Nothing was changed."):
        from pipeline.cli.serving.serve_part import serve as serve_pushed
        from pipeline.config.load import load_config

        base_path = root / "served" if root is not None else None
        if base_path is None and (config is not None or settings):
            base_path = load_config(config, settings or []).push_path
        serve_pushed(context.args, base_path, Console())
