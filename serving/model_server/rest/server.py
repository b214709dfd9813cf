"""Runs the REST API on gRPC's event loop."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from serving.model_server.rest.sockets import listen

_KEEP_ALIVE_S = 50
"""Idle timeout of connections, as in TensorFlow Serving."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: whoever runs the loop handles signals."""
        yield


class RestServer:
    """HTTP server on one port of a host.

    The port is bound on creation, before anything else starts; 0 takes a free one.

    Raises:
        OSError: the port is in use.
    """

    def __init__(self, host: str, port: int) -> None:
        self._sockets = listen(host, port, "REST")
        for listening in self._sockets:
            # Connections inherit it. Without, a body waits 40 ms for its header's acknowledgement.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._sockets[0].getsockname()[1]
        self._running: tuple[_Server, asyncio.Task[None]] | None = None

    def start(self, app: ASGIApp) -> None:
        """Starts answering; needs a running event loop."""
        config = uvicorn.Config(
            app,
            http="h11",  # the same everywhere, whatever else is installed
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = _Server(config)
        self._running = server, asyncio.create_task(server.serve(self._sockets))

    def close_after_answers(self) -> None:
        """Lets every answer from now on say that it is its connection's last."""
        if self._running is not None:
            self._running[0].server_state.default_headers.append((b"connection", b"close"))

    async def stop(self, grace_s: float) -> None:
        """Stops accepting connections, and gives calls `grace_s` seconds to end."""
        if self._running is not None:
            server, serving = self._running
            server.config.timeout_graceful_shutdown = math.ceil(grace_s)
            for (
                listening
            ) in server.servers:  # now: uvicorn looks at the next line ten times a second
                listening.close()
            server.should_exit = True
            await serving
        for bound in self._sockets:
            bound.close()
