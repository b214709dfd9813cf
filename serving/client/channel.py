"""Configures the gRPC channel to a model server: address, retries, size limits and TLS."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from pathlib import Path

import grpc

from serving.client.options import ClientError, ClientOptions, TlsOptions

_DEFAULT_PORT = 8500
_UNLIMITED = -1
_LARGEST_INT = 2**31 - 1
_URL = re.compile(r"^(https?|grpcs?)://", re.IGNORECASE)
_HOST = re.compile(r"^(?P<host>[^\s:/\[\]]+|\[[0-9A-Fa-f:.%\w]+\])(:(?P<port>\d{1,5}))?$")

# gRPC itself retries calls answered UNAVAILABLE, after a random part of a delay that grows from
# `initialBackoff` to `maxBackoff`. It makes at most five attempts.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def target(server: str) -> str:
    """Converts HOST[:PORT] (8500) or unix:/PATH to a gRPC target, or raises `ClientError`."""
    if server.startswith("unix:"):
        return server
    match = _HOST.match(server)
    if match is None or not 0 < int(match["port"] or _DEFAULT_PORT) < 2**16:
        hint = " Leave out the scheme; --tls encrypts." if _URL.match(server) else ""
        raise ClientError(
            f"{server!r} is no address of a model server: give HOST:PORT or unix:/PATH.{hint}"
        )
    return f"{match['host']}:{match['port'] or _DEFAULT_PORT}"


def channel_options(options: ClientOptions) -> list[tuple[str, str | int]]:
    """Returns the gRPC options of a channel.

    Images are large, so neither message sizes nor the retry buffer are limited: with the default
    buffer of 256 KiB, most calls would not be retried.
    """
    settings: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.per_rpc_retry_buffer_size", _LARGEST_INT),
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        # By default a server that starts late is looked for ever more rarely, up to 2 minutes.
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    if _is_local(options.server):  # a proxy to the internet cannot reach this machine
        settings.append(("grpc.enable_http_proxy", 0))
    if options.server.startswith("unix:"):
        settings.append(("grpc.default_authority", "localhost"))
    if options.tls is not None and options.tls.server_name is not None:
        settings.append(("grpc.ssl_target_name_override", options.tls.server_name))
    return settings


def credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    """Reads the TLS certificates; raises `ClientError` for an unreadable or wrong file."""
    _check(tls)
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca),
        private_key=_read(tls.key),
        certificate_chain=_read(tls.cert),
    )


def metadata(options: ClientOptions) -> list[tuple[str, str]]:
    """Returns the headers of every call, with names in lower case as gRPC requires."""
    headers = [(name.lower(), value) for name, value in options.metadata]
    if options.token is not None:
        headers.append(("authorization", f"Bearer {options.token}"))
    return headers


def _is_local(server: str) -> bool:
    if server.startswith("unix:"):
        return True
    host = target(server).rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(tls: TlsOptions) -> None:
    """Checks the files with OpenSSL: gRPC would only report a failed connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (ca := _read(tls.ca)) is not None:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii", errors="replace"))
        except (ssl.SSLError, ValueError):
            raise ClientError(f"{tls.ca} holds no certificate in PEM format.") from None
    if tls.cert is not None and tls.key is not None:
        _read(tls.cert), _read(tls.key)
        try:
            # gRPC cannot use a key with a password; the empty one keeps OpenSSL from asking.
            context.load_cert_chain(tls.cert, tls.key, password="")
        except (ssl.SSLError, ValueError):
            raise ClientError(
                f"{tls.cert} and {tls.key} are not a certificate and its private key in PEM "
                "format, without a password."
            ) from None


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from None
