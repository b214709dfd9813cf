"""Where Kubeflow Pipelines is, and what lets us in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from foundation.errors import UserError

HOST_VARIABLES = ("DOGBREED_KFP_HOST", "KF_PIPELINES_ENDPOINT")
"""Variables that name the host; the second is kfp's own."""
TOKEN_VARIABLE = "DOGBREED_KFP_TOKEN"
"""Variable with a bearer token."""
COOKIES_VARIABLE = "DOGBREED_KFP_COOKIES"
"""Variable with cookies as a browser sends them: NAME=VALUE; NAME=VALUE."""
TOKEN_FILE_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
"""Variable with the path of a service account's token; kfp's own. Kubernetes renews that file."""


@dataclass(frozen=True)
class Connection:
    """How to reach Kubeflow Pipelines."""

    host: str
    """Address of its API or of its page, without a slash at the end."""
    namespace: str | None = None
    """Whose runs are meant, where Kubeflow has several users."""
    ca: Path | None = None
    """Certificates to trust, in PEM; None for the public authorities."""
    verify: bool = True
    """Whether the server's certificate is checked."""
    token: str | None = None
    """Bearer token."""
    token_file: Path | None = None
    """File with a bearer token, read anew for each request."""
    cookies: str | None = None
    """Cookies as a browser sends them."""

    @property
    def has_credentials(self) -> bool:
        """Whether anything is sent that says who is asking."""
        return any((self.token, self.token_file, self.cookies))


def connection_from(
    host: str | None,
    *,
    namespace: str | None = None,
    ca: Path | None = None,
    verify: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Returns what options and environment come to.

    Args:
        host: address as typed; None to take it from the environment.
        namespace: the user's namespace.
        ca: certificates to trust.
        verify: whether to check the server's certificate.
        environment: variables; secrets come from nowhere else.

    Raises:
        UserError: no host, one that is no address, or a file that is not there.
    """
    named = host or next(filter(None, map(environment.get, HOST_VARIABLES)), None)
    if not named:
        raise UserError(
            f"Which Kubeflow? Give --host URL, or set {HOST_VARIABLES[0]}. After 'kubectl "
            "port-forward -n kubeflow svc/ml-pipeline 8888:8888' it is http://localhost:8888."
        )
    for file, option in ((ca, "--ca"), (_path(environment, TOKEN_FILE_VARIABLE), "the token's")):
        if file is not None and not file.is_file():
            raise UserError(f"There is no file {file} ({option}).")
    return Connection(
        host=_address(named),
        namespace=namespace,
        ca=ca,
        verify=verify,
        token=environment.get(TOKEN_VARIABLE) or None,
        token_file=_path(environment, TOKEN_FILE_VARIABLE),
        cookies=environment.get(COOKIES_VARIABLE) or None,
    )


def _path(environment: Mapping[str, str], variable: str) -> Path | None:
    return Path(environment[variable]) if environment.get(variable) else None


def _address(named: str) -> str:
    """Completes an address. Without a scheme it is https, as with kfp's own client."""
    address = named if "://" in named else f"https://{named}"
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"--host {named} is not an address such as https://kubeflow.example.org.")
    if parts.username or parts.password:
        raise UserError(
            f"--host must not hold a password: set {TOKEN_VARIABLE} or {COOKIES_VARIABLE} instead."
        )
    return address.partition("#")[0].rstrip("/")  # people copy what their browser shows
