"""What can go wrong between us and Kubeflow Pipelines, each as one clear line."""

from __future__ import annotations

import json
from typing import Any

import kfp_server_api
from urllib3.exceptions import NewConnectionError, SSLError, TimeoutError

from foundation.errors import UserError
from pipeline.kubeflow.submit.connection import COOKIES_VARIABLE, TOKEN_VARIABLE, Connection

CONNECT_TIMEOUT_S = 10.0
"""How long a connection may take."""
READ_TIMEOUT_S = 60.0
"""How long an answer may take."""

_LONGEST_DETAIL = 300  # characters of a server's own message


class UnreachableError(UserError):
    """No answer came; the same request may succeed later."""


class RefusedError(UserError):
    """The server answered that it will not.

    Args:
        message: what was refused, and why.
        status: the answer's HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class LoginPageError(UserError):
    """A page for people came where the API was asked."""


def login_page(connection: Connection) -> LoginPageError:
    """Says what a page in the place of an answer means."""
    return LoginPageError(
        f"{connection.host} shows a page for people, most likely to log in, instead of answering "
        f"as Kubeflow's API. {_how_to_log_in(connection)}"
    )


def refusal(
    error: kfp_server_api.ApiException, path: str, connection: Connection
) -> RefusedError | UnreachableError:
    """Says what an answer that is no success means.

    Args:
        error: the answer.
        path: what was asked.
        connection: how it was asked.
    """
    host, status = connection.host, int(error.status)
    if status == 401 or (status == 403 and not connection.has_credentials):
        return RefusedError(
            f"{host} does not let us in ({status} {error.reason}). {_how_to_log_in(connection)}",
            status,
        )
    detail = _detail(error.body)
    if status == 403:
        where = connection.namespace
        return RefusedError(
            f"{host} knows us, but refuses this (403 {error.reason})"
            f"{f' in namespace {where}' if where else ''}{detail}. "
            + ("Ask for the rights there." if where else "Is --namespace missing?"),
            status,
        )
    if status >= 500:
        return UnreachableError(f"{host} failed ({status} {error.reason}) at {path}{detail}.")
    return RefusedError(f"{host} refused {path} ({status} {error.reason}){detail}.", status)


def unreachable(reason: BaseException | None, connection: Connection) -> UserError:
    """Says why no answer came."""
    host = connection.host
    if isinstance(reason, SSLError):
        return UserError(
            f"{host} cannot be trusted: {reason}. Name its certificate authority with --ca, or use "
            "http:// if it has no TLS."
        )
    # urllib3 counts a connection that failed at once among its timeouts.
    if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
        return UnreachableError(
            f"{host} did not answer in time ({CONNECT_TIMEOUT_S:.0f} s to connect, "
            f"{READ_TIMEOUT_S:.0f} s for an answer)."
        )
    said = str(reason).rpartition(": ")[2]
    return UnreachableError(
        f"{host} cannot be reached: {said}. Check --host, and that the port-forward or the network "
        "to the cluster is up."
    )


def _how_to_log_in(connection: Connection) -> str:
    if connection.has_credentials:
        return (
            f"The token or cookies may have expired: renew {TOKEN_VARIABLE} or {COOKIES_VARIABLE}."
        )
    return (
        f"Set {TOKEN_VARIABLE} to a bearer token, or {COOKIES_VARIABLE} to the cookies that your "
        "browser has for it."
    )


def _detail(body: Any) -> str:
    """Finds what the server says of its refusal: one line, as a clause to append."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
    except ValueError:
        said = text if "<" not in text else ""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error_message") or said.get("error") or ""
    line = " ".join(str(said).split()).rstrip(".")
    if len(line) > _LONGEST_DETAIL:
        line = f"{line[:_LONGEST_DETAIL]}..."
    return f": {line}" if line else ""
