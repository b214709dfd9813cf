"""Addresses and credentials of Kubeflow Pipelines."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from foundation.errors import UsageError

HOST_VARIABLES = ("DOGBREED_KFP_HOST", "KF_PIPELINES_ENDPOINT")
"""Environment variables that name the host; the second is kfp's own."""
TOKEN_VARIABLE = "DOGBREED_KFP_TOKEN"
"""Environment variable with a bearer token."""
TOKEN_FILE_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
"""kfp's own variable with the path of a service account's token, a file that Kubernetes renews."""
COOKIES_VARIABLE = "DOGBREED_KFP_COOKIES"
"""Environment variable with cookies as a browser sends them: NAME=VALUE; NAME=VALUE."""


@dataclass(frozen=True)
class Connection:
    """Address and credentials of a server; secrets come from the environment alone."""

    host: str
    """URL of its API or UI, as `address_from` returns it."""
    namespace: str | None = None
    """Namespace of the runs, for Kubeflow with several users."""
    ca: Path | None = None
    """Certificates to trust, in PEM; None for the public authorities."""
    verify: bool = True
    """Whether to check the server's certificate."""
    token: str = field(default_factory=lambda: os.environ.get(TOKEN_VARIABLE, ""))
    """Bearer token; empty for none."""
    token_file: str = field(default_factory=lambda: os.environ.get(TOKEN_FILE_VARIABLE, ""))
    """File with a bearer token, read at each request if `token` is empty; empty for none."""
    cookies: str = field(default_factory=lambda: os.environ.get(COOKIES_VARIABLE, ""))
    """Cookies as a browser sends them; empty for none."""

    def __post_init__(self) -> None:
        """Raises a `UsageError` if a file does not exist."""
        for file, option in ((self.ca, "--ca"), (self.token_file, "the token's")):
            if file and not Path(file).is_file():
                raise UsageError(f"There is no file {file} ({option}).")

    @property
    def has_credentials(self) -> bool:
        """Whether a token or cookies are sent."""
        return any((self.token, self.token_file, self.cookies))

    @property
    def how_to_log_in(self) -> str:
        """Advice for when the server denies access."""
        if self.has_credentials:
            return (
                f"The token or cookies may have expired: renew {TOKEN_VARIABLE} or "
                f"{COOKIES_VARIABLE}."
            )
        return (
            f"Set {TOKEN_VARIABLE} to a bearer token, or {COOKIES_VARIABLE} to the cookies that "
            "your browser has for it."
        )

    def bearer_token(self) -> str:
        """Returns the token to send; empty for none."""
        if self.token or not self.token_file:
            return self.token
        return Path(self.token_file).read_text().strip()


def address_from(typed: str | None) -> str:
    """Returns the server's URL, as typed or from the environment; https:// is the default.

    Raises:
        UsageError: there is none, or it is invalid.
    """
    named = typed or next(filter(None, map(os.environ.get, HOST_VARIABLES)), None)
    if not named:
        raise UsageError(
            f"Which Kubeflow? Give --host URL, or set {HOST_VARIABLES[0]}. After 'kubectl "
            "port-forward -n kubeflow svc/ml-pipeline 8888:8888' it is http://localhost:8888."
        )
    address = named if "://" in named else f"https://{named}"  # as kfp's own client does
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"--host {named} is not an address such as https://kubeflow.example.org.")
    if parts.username or parts.password:
        raise UsageError(
            f"--host must not hold a password: set {TOKEN_VARIABLE} or {COOKIES_VARIABLE} instead."
        )
    return address.partition("#")[0].rstrip("/")  # people copy what their browser shows
