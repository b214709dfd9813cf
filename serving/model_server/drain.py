"""Lets the calls that have begun end before the server does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from serving.model_server.errors import ServingError

_SETTLE_S = 2.0
"""How long the server waits, at most, for a moment in which no call is on its way."""

_QUIET_LOOKS = 5
"""Turns of the event loop, rather than a time: under load a call may wait for the next turn."""

_LOOK_S = 0.02


class Drain:
    """Counts the calls of both APIs, and refuses new ones once the server stops.

    gRPC cancels whatever arrives while it shuts down, and HTTP servers drop it. So calls that come
    too late are held until all callers have heard that the server is going; only then are they
    refused, with a status after which a caller may ask elsewhere.
    """

    def __init__(self) -> None:
        self._running = 0
        self._arrived = 0
        self._stopping = False
        self._refusing = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Returns whether a call that has begun is being answered."""
        return self._running > 0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Counts a call; raises `ServingError` (UNAVAILABLE), in time, if it comes too late."""
        self._arrived += 1
        if self._stopping:
            await self._refusing.wait()
            raise ServingError(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def settle(self) -> None:
        """Holds new calls, and waits until none runs or arrives, for two seconds at most."""
        self._stopping = True
        until = time.monotonic() + _SETTLE_S
        quiet, seen = 0, self._arrived
        while quiet < _QUIET_LOOKS and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
            quiet = 0 if self.busy or self._arrived > seen else quiet + 1
            seen = self._arrived

    def refuse(self) -> None:
        """Refuses the calls that were held, and all further ones."""
        self._refusing.set()
