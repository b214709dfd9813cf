"""Runs the REST API on the event loop that gRPC runs on."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_BACKLOG = 1024
_KEEP_ALIVE_S = 50
"""How long a connection may do nothing between two requests; libevent's default, as TensorFlow
Serving has it."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the loop."""
        yield


class RestServer:
    """One listening port and what answers there.

    The port is bound at once, so that nothing else is started where it is taken.

    Args:
        host: address to listen on; empty for every address of the machine.
        port: TCP port; 0 takes a free one, which `port` then tells.

    Raises:
        OSError: the port is in use, or the address is not this machine's.
    """

    def __init__(self, host: str, port: int) -> None:
        every = not host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if every or ":" in host else socket.AF_INET
        self._socket = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=every
        )
        self.port: int = self._socket.getsockname()[1]
        self._config: uvicorn.Config | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def start(self, app: ASGIApp) -> None:
        """Answers from now on; needs a running event loop."""
        self._config = uvicorn.Config(
            app,
            # One implementation everywhere, whatever else is installed.
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self._server = _Server(self._config)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))

    async def stop(self, grace_s: float) -> None:
        """Takes no new connection, lets calls end, and cuts off what has not after a while.

        Args:
            grace_s: how long calls may go on.
        """
        if self._server is not None and self._config is not None and self._serving is not None:
            self._config.timeout_graceful_shutdown = math.ceil(grace_s)
            self._server.should_exit = True
            await self._serving
        self._socket.close()
