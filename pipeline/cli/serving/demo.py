"""Command `dogbreed demo`: serves a web page for predictions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foundation.errors import UsageError
from pipeline.cli.app import app, clear_errors
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
    client_errors,
    client_options,
)
from serving.client.options import DEFAULT_MODEL, DEFAULT_SERVER


@app.command()
def demo(
    server: ServerOption = DEFAULT_SERVER,
    model: ModelOption = DEFAULT_MODEL,
    version: VersionOption = None,
    label: LabelOption = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Breeds a picture.")] = 5,
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A picture of each breed: a folder with a sub-folder for each breed, or a pushed "
            "version. Default: the newest version below runs/.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Name or address to listen on; 0.0.0.0 is every one.")
    ] = "localhost",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on. Default: the first free one from 8080."
        ),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Show the page in the browser at once.")
    ] = False,
    timeout: TimeoutOption = 30.0,
    tls: TlsOption = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = None,
    token: TokenOption = None,
    metadata: MetadataOption = None,
) -> None:
    """Show a page that names the breeds of pictures dropped on it."""
    with clear_errors("Nothing was changed."):
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its messages repeat our errors
        with client_errors():
            from pipeline.history.choose_run import newest_pushed
            from serving.demo.samples import Samples
            from serving.demo.web_server import run_demo

            options = client_options(
                server=server, model=model, version=version, label=label, top=top,
                timeout_s=timeout, concurrency=8, token=token, metadata=metadata,
                tls=tls, ca=ca, cert=cert, key=key, server_name=server_name,
            )  # fmt: skip
            if samples is not None and not samples.is_dir():
                raise UsageError(f"{samples} is no folder: --samples needs one.")
            found = Samples(samples or newest_pushed())
            if samples is not None and not found:
                raise UsageError(
                    f"{samples} holds no samples: it needs a sub-folder of pictures for each breed."
                )
            run_demo(options, found, Console(), host=host, port=port, open_browser=open_browser)
