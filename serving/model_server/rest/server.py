"""Runs the REST API on the event loop that gRPC runs on."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_KEEP_ALIVE_S = 50
"""How long a connection may do nothing between two requests, as in TensorFlow Serving."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the loop."""
        yield


class RestServer:
    """A port of every address of this machine, and what answers there.

    The port is bound at once, so that nothing else is started where it is taken.

    Args:
        port: TCP port; 0 takes a free one, which `port` then tells.

    Raises:
        OSError: the port is in use.
    """

    def __init__(self, port: int) -> None:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        self._socket = socket.create_server(("", port), family=family, dualstack_ipv6=both)
        # Accepted connections inherit it. Without, a body waits 40 ms for its header's receipt.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self._running: tuple[_Server, asyncio.Task[None]] | None = None

    def start(self, app: ASGIApp) -> None:
        """Answers from now on; needs a running event loop."""
        config = uvicorn.Config(
            app,
            http="h11",  # one implementation everywhere, whatever else is installed
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = _Server(config)
        self._running = server, asyncio.create_task(server.serve([self._socket]))

    async def stop(self, grace_s: float) -> None:
        """Takes no new connection, and gives calls `grace_s` seconds to end."""
        if self._running is not None:
            server, serving = self._running
            server.config.timeout_graceful_shutdown = math.ceil(grace_s)
            server.should_exit = True
            await serving
        self._socket.close()
