"""`dogbreed predict`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foundation.errors import UserError
from pipeline.cli.app import ExitCode, app, clear_errors
from pipeline.cli.serving.client_arguments import (
    CaOption,
    CertOption,
    KeyOption,
    LabelOption,
    MetadataOption,
    ModelOption,
    ServerNameOption,
    ServerOption,
    TimeoutOption,
    TlsOption,
    TokenOption,
    VersionOption,
    WaitOption,
    client_errors,
    client_options,
)
from serving.client.options import DEFAULT_MODEL, DEFAULT_SERVER

if TYPE_CHECKING:
    from serving.client.source import Source


@app.command()
def predict(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE",
            help="Files, folders, patterns in quotes ('dogs/**/*.jpg'), http(s) addresses, or - "
            "for one picture from standard input.",
            show_default=False,
        ),
    ] = None,
    from_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="More pictures, named in a file, one a line; - is standard input."
        ),
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    model: ModelOption = DEFAULT_MODEL,
    version: VersionOption = None,
    label: LabelOption = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Breeds a picture, as far as the model names.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures a call.")] = 8,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Calls at the same time.")
    ] = 4,
    timeout: TimeoutOption = 30.0,
    wait: WaitOption = False,
    shrink: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="PX",
            help="Scale pictures down to PX on the shorter side before they are sent, which may "
            "alter probabilities a little. Default: send them whole.",
        ),
    ] = None,
    tls: TlsOption = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = None,
    token: TokenOption = None,
    metadata: MetadataOption = None,
) -> None:
    """Name the breeds in pictures: ask a model server over gRPC."""
    with clear_errors("What was printed so far stands."):
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its notes repeat what our errors say
        with client_errors():
            from pipeline.cli.serving.predict_part import predict_all
            from pipeline.cli.serving.predictions import writer_for

            options = client_options(
                server=server, model=model, version=version, label=label, top=top,
                batch_size=batch_size, concurrency=concurrency, timeout_s=timeout,
                wait_for_ready=wait, shrink_px=shrink, token=token, metadata=metadata,
                tls=tls, ca=ca, cert=cert, key=key, server_name=server_name,
            )  # fmt: skip
            sources = _sources(pictures or [], from_list)
            writer = writer_for(_format(as_json, as_csv), top, sources)
            failed = predict_all(sources, options, writer, Console(stderr=True))
        if failed:
            raise typer.Exit(ExitCode.FAILED)


def _format(as_json: bool, as_csv: bool) -> str:
    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other: give one of them.")
    return "json" if as_json else "csv" if as_csv else "table"


def _sources(pictures: list[str], from_list: Path | None) -> list[Source]:
    from serving.client.expand import STDIN, expand, read_list

    if from_list is not None:
        if str(from_list) == STDIN and STDIN in pictures:
            raise UserError("Standard input is either a picture or a list of them, not both.")
        pictures = [*pictures, *read_list(str(from_list))]
    if not pictures:
        raise UserError("No pictures were named: give files, folders, addresses or --from-list.")
    return list(expand(pictures))
