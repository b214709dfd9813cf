"""Command `dogbreed tensorboard`: shows training logs."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from typing import Annotated

import typer
from rich.console import Console

from foundation.errors import UserError
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption
from trainer.training.logs import TrainingLogs

_IMAGES_KEPT = 200  # per tag; TensorBoard's default is 10, too few for one frame an epoch


def show_tensorboard(logs: TrainingLogs, console: Console, *, host: str, port: int | None) -> None:
    """Starts TensorBoard, prints its address, and serves until Ctrl-C.

    Without a port it takes the first free one from 6006.

    Raises:
        UserError: TensorBoard cannot be loaded, or cannot listen there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own imports
            from tensorboard.program import (
                TensorBoard,
                TensorBoardServerException,
            )
    except ImportError as error:  # TensorBoard 2.16 needs pkg_resources, which setuptools 81 lost
        raise UserError(
            f"TensorBoard cannot be loaded: {error}. Install this project's requirements.lock anew."
        ) from error
    notes = io.StringIO()
    try:
        # TensorBoard writes a message about its fast loading to standard error.
        with contextlib.redirect_stderr(notes):
            board = TensorBoard()
            board.configure(argv=["tensorboard", *_flags(logs, host, port)])
            address = board.launch()
    except TensorBoardServerException as error:
        raise UserError(_in_words(error.msg, host, port)) from None
    except SystemExit:  # the server cannot bind; its message is on standard error
        raise UserError(_in_words(notes.getvalue().strip(), host, port)) from None
    console.print(f"Showing {logs}.", soft_wrap=True, highlight=False)
    console.print(f"TensorBoard is at {address} until you press Ctrl-C.", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _flags(logs: TrainingLogs, host: str, port: int | None) -> list[str]:
    flags = ["--logdir", str(logs.path), "--host", host]
    flags += ["--samples_per_plugin", f"images={_IMAGES_KEPT}"]
    # Curves and images of one run are written to two files at the same time.
    flags += ["--reload_multifile", "true"]
    return flags if port is None else [*flags, "--port", str(port)]


def _in_words(message: str, host: str, port: int | None) -> str:
    if "already in use" in message:
        return f"Port {port} is in use. Name another with --port, or none for the first free one."
    reason = message.splitlines()[-1].strip() if message else "no reason was given"
    return f"TensorBoard cannot listen on {host}: {reason}."


@app.command()
def tensorboard(
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on. Default: the first free one from 6006."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Name or address to listen on; 0.0.0.0 is every one.")
    ] = "localhost",
) -> None:
    """Show the curves and pictures of the last training: of a run, or of the newest in runs/."""
    with clear_errors("Nothing was changed."):
        from pipeline.config.load import load_config
        from trainer.training.logs import last_training, last_training_of_any_run

        if root is not None:
            logs = last_training(root)
        elif config is not None or settings:
            logs = last_training(load_config(config, settings or []).root_path)
        else:
            logs = last_training_of_any_run()
        show_tensorboard(logs, Console(), host=host, port=port)
