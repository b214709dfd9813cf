"""Typer application of all commands, and how errors end them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from foundation.errors import DatasetError, UserError
from foundation.exit_codes import ExitCode
from foundation.redact import redacted
from pipeline.cli.advice import with_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""From a folder of labelled dog pictures to a model that answers.

    Start with [bold]dogbreed run[/]: it draws sample pictures, trains on them and pushes a model.
    [bold]dogbreed run --data PATH[/] does the same with pictures of yours.

    \b
    Exit codes:"""
    + "".join(f"\n    {code.value:>3} {code.meaning}" for code in ExitCode),
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"dogbreed {version('dogbreed')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


@contextmanager
def clear_errors(
    after_interrupt: str, *, settings_option: str = "", options: Collection[str] = ()
) -> Iterator[None]:
    """Ends the command with a one-line message on errors the user can fix.

    Args:
        after_interrupt: what to say after Ctrl-C.
        settings_option: of a command that converts pictures by its settings, the option that sets
            one: the conversion's advice then names settings.
        options: fields of `ConvertOptions` for which the command has options as well.
    """
    try:
        yield
    except UserError as error:
        message = str(error)
        if settings_option and isinstance(error, DatasetError):
            message = with_settings(message, settings_option, options)
        _complain(f"[bold red]Error:[/] {_escaped(redacted(message))}")
        raise typer.Exit(error.exit_code) from None
    except OSError as error:  # such as a full disk
        where = f": {error.filename}" if error.filename else ""
        _complain(f"[bold red]Error:[/] {_escaped(redacted(f'{error.strerror or error}{where}'))}")
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        _complain(f"[bold red]Interrupted.[/] {_escaped(after_interrupt)}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _complain(markup: str) -> None:
    Console(stderr=True, highlight=False).print(markup, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
