"""Options and errors of the model server clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class ClientError(Exception):
    """No call can succeed as things are; the message says what is wrong and what to do."""


class ServerUnavailableError(ClientError):
    """Nothing answers at the server's address, or its certificate is not trusted."""


class ModelNotFoundError(ClientError):
    """The server does not serve this model, or not this version of it."""


DEFAULT_SERVER = "localhost:8500"
"""Default address of `dogbreed serve` and TensorFlow Serving."""
DEFAULT_MODEL = "dogbreed"


@dataclass(frozen=True)
class TlsOptions:
    """PEM files of an encrypted connection."""

    ca: Path | None = None
    """Trusted certificates; None uses the roots that gRPC ships."""
    cert: Path | None = None
    """The client's certificate, for mutual TLS."""
    key: Path | None = None
    """Private key of `cert`."""
    server_name: str | None = None
    """Name expected in the server's certificate, if not the address."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate and its key go together: give both or neither")


@dataclass(frozen=True)
class ClientOptions:
    """Server, model and limits of a client's calls."""

    server: str = DEFAULT_SERVER
    """HOST:PORT or unix:/PATH."""
    model: str = DEFAULT_MODEL
    version: int | None = None
    """None lets the server choose, which takes its newest."""
    label: str | None = None
    """Version label, such as "stable"."""
    top: int | None = None
    """Number of classes to keep of those that the model returns; None keeps all."""
    batch_size: int = 8
    """Images per call."""
    concurrency: int = 4
    """Concurrent calls."""
    timeout_s: float = 30.0
    """Limit of one call, retries included."""
    wait_for_ready: bool = False
    """Whether to wait up to `timeout_s` for a server that is not up yet."""
    tls: TlsOptions | None = None
    """None connects without encryption."""
    token: str | None = field(default=None, repr=False)
    """Bearer token for a proxy in front of the server."""
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Additional headers of every call."""
    shrink_px: int | None = None
    """Scale images down until the shorter side has this many pixels; None sends them whole."""

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError("a version and a label exclude each other: give one of them")
        for name in ("batch_size", "concurrency", "timeout_s", "top", "shrink_px"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}: it must be greater than 0")
