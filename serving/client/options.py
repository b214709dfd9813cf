"""How to reach a model server, and how to call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class ClientError(Exception):
    """No call can succeed as things are; the message says what is wrong, where and what to do."""


class ServerUnavailableError(ClientError):
    """Nothing answers at the server's address, or it is not to be trusted."""


class ModelNotFoundError(ClientError):
    """The server does not serve this model, or not this version of it."""


DEFAULT_SERVER = "localhost:8500"
"""Where `dogbreed serve` and TensorFlow Serving listen."""
DEFAULT_MODEL = "dogbreed"


@dataclass(frozen=True)
class TlsOptions:
    """An encrypted connection, in PEM files."""

    ca: Path | None = None
    """Whom to trust; None trusts the authorities that gRPC brings along."""
    cert: Path | None = None
    """The client's own certificate, for mutual TLS."""
    key: Path | None = None
    """The private key that goes with `cert`."""
    server_name: str | None = None
    """The name that the server's certificate must have, where it is not the address."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate and its key go together: give both or neither")


@dataclass(frozen=True)
class ClientOptions:
    """Everything about calls that is not a picture."""

    server: str = DEFAULT_SERVER
    """HOST:PORT or unix:/PATH."""
    model: str = DEFAULT_MODEL
    version: int | None = None
    """One version; None leaves the choice to the server, which takes its newest."""
    label: str | None = None
    """The label of a version, such as "stable"."""
    top: int | None = None
    """How many breeds to keep of those that the model names; None keeps all."""
    batch_size: int = 8
    """Pictures a call."""
    concurrency: int = 4
    """Calls at the same time."""
    timeout_s: float = 30.0
    """How long a call may take, retries included."""
    wait_for_ready: bool = False
    """Wait for a server that is not there yet, up to `timeout_s`, rather than give up."""
    tls: TlsOptions | None = None
    """None connects without encryption."""
    token: str | None = field(default=None, repr=False)
    """A bearer token for a proxy before the server."""
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """More headers of every call."""
    shrink_px: int | None = None
    """Scale pictures down until the shorter side has this many pixels; None sends them whole."""

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError("a version and a label exclude each other: give one of them")
        for name in ("batch_size", "concurrency", "timeout_s", "top", "shrink_px"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}: it must be greater than 0")
