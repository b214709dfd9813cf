"""Options of the commands that call a model server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.errors import UsageError, UserError

if TYPE_CHECKING:
    from serving.client.options import ClientOptions

ServerOption = Annotated[
    str,
    typer.Option(
        "--server", metavar="HOST:PORT", help="The model server's gRPC address, or unix:/PATH."
    ),
]
ModelOption = Annotated[str, typer.Option("--model", metavar="NAME", help="The model's name.")]
VersionOption = Annotated[
    int | None,
    typer.Option(
        "--version", min=1, metavar="N", help="Version of the model. Default: the newest."
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option("--label", metavar="NAME", help="Label of a version, such as stable."),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Limit of one call, retries too."),
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        metavar="SECONDS",
        help="Wait that long for a server that is starting or loading the model.",
        show_default=False,
    ),
]
TlsOption = Annotated[
    bool,
    typer.Option(
        "--tls", help="Encrypt; so do --ca, --cert and --server-name. Default: plain text."
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="Certificates to trust, in PEM. Default: public authorities."
    ),
]
CertOption = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", help="Certificate of this client, for mutual TLS."),
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Private key that goes with --cert.")
]
ServerNameOption = Annotated[
    str | None,
    typer.Option(
        "--server-name",
        metavar="NAME",
        help="Name in the server's certificate, where it is not the address.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="DOGBREED_TOKEN",
        metavar="TOKEN",
        help="Bearer token for a proxy before the server; better set where it is not seen.",
    ),
]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="NAME=VALUE", help="Header of every call; repeatable."),
]


def client_options(
    *,
    tls: bool,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str | None,
    metadata: Sequence[str] | None,
    **rest: object,
) -> ClientOptions:
    """Builds client options from the command line's.

    Raises:
        UsageError: options contradict each other.
    """
    from serving.client.options import ClientOptions, TlsOptions

    try:
        encrypted = tls or any((ca, cert, key, server_name))
        return ClientOptions(
            tls=TlsOptions(ca, cert, key, server_name) if encrypted else None,
            metadata=tuple(map(_header, metadata or ())),
            **rest,  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


@contextmanager
def client_errors() -> Iterator[None]:
    """Turns client errors into errors that end a command with one line."""
    from serving.client.options import ClientError

    try:
        yield
    except ClientError as error:
        raise UserError(str(error)) from None


def _header(typed: str) -> tuple[str, str]:
    name, separator, value = typed.partition("=")
    if not (name and separator):
        raise ValueError(f"--metadata {typed} is not NAME=VALUE")
    return name, value
