"""`dogbreed tensorboard`."""

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

_IMAGES_KEPT = 200  # of each tag, where TensorBoard keeps 10: an evolution has a frame an epoch


def show_tensorboard(logs: TrainingLogs, console: Console, *, host: str, port: int | None) -> None:
    """Starts TensorBoard, says where it is, and serves until Ctrl-C.

    Args:
        logs: what to show.
        console: where the address is printed.
        host: name or address to listen on.
        port: port to listen on; None takes the first free one from 6006.

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
        # It notes on standard error that its way of loading is fast.
        with contextlib.redirect_stderr(notes):
            board = TensorBoard()
            board.configure(argv=["tensorboard", *_flags(logs, host, port)])
            address = board.launch()
    except TensorBoardServerException as error:
        raise UserError(_in_words(error.msg, host, port)) from None
    except SystemExit:  # how its server gives up on an address, after a line on standard error
        raise UserError(_in_words(notes.getvalue().strip(), host, port)) from None
    console.print(f"Showing {logs}.", soft_wrap=True, highlight=False)
    console.print(f"TensorBoard is at {address} until you press Ctrl-C.", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _flags(logs: TrainingLogs, host: str, port: int | None) -> list[str]:
    flags = ["--logdir", str(logs.path), "--host", host]
    flags += ["--samples_per_plugin", f"images={_IMAGES_KEPT}"]
    # Curves and pictures are written to two files of one run at the same time.
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
