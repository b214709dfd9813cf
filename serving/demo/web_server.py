"""Runs the web server of the demo page."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import threading
import webbrowser

import uvicorn
from rich.console import Console

from serving.client.channel import credentials, target
from serving.client.options import ClientError, ClientOptions
from serving.demo.app import create_app
from serving.demo.samples import Samples

_FIRST_PORT = 8080
_PORTS_TRIED = 100
_PATIENCE_S = 1  # for pending answers when the page is stopped


def run_demo(
    options: ClientOptions,
    samples: Samples,
    console: Console,
    *,
    host: str,
    port: int | None,
    open_browser: bool,
) -> None:
    """Prints the demo page's address and serves it until Ctrl-C.

    If `port` is None, the first free one from 8080 is taken.

    Raises:
        ClientError: the page cannot listen there, or the server's address is unusable.
    """
    target(options.server)  # fails on a wrong option before anything listens
    if options.tls is not None:
        credentials(options.tls)
    with _listening(host, port) as listener:
        shown_host = f"[{host}]" if ":" in host else host
        address = f"http://{shown_host}:{listener.getsockname()[1]}/"
        app = create_app(options, samples, _names(host))
        console.print(
            f"The page is at {address} until you press Ctrl-C; model {options.model} at "
            f"{options.server}.",
            soft_wrap=True,
            highlight=False,
        )
        if open_browser:
            # It may block until the browser ends.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=_PATIENCE_S)
        )
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again on exit
            server.run([listener])


def _listening(host: str, port: int | None) -> socket.socket:
    ports = range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address[:2], family=family, backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise ClientError(
                    f"The page cannot listen on {host}, port {candidate}: {reason}."
                ) from None
    if port is None:
        raise ClientError(
            f"No port from {_FIRST_PORT} to {ports[-1]} is free. Name another with --port."
        )
    raise ClientError(
        f"Port {port} is in use. Name another with --port, or none for the first free one."
    )


def _names(host: str) -> list[str] | None:
    """Returns the host names of a page that only this machine can reach; None for any name."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return ["localhost", "127.0.0.1", "[::1]", host] if is_local else None
