"""Sends requests to Kubeflow Pipelines and turns failures into one-line errors."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import kfp_server_api
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError, TimeoutError

from foundation.errors import UserError
from pipeline.kubeflow.submit.connection import Connection

_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_LONGEST_DETAIL = 300  # characters of the server's message


class UnreachableError(UserError):
    """No answer came; the same request may succeed later."""


class RefusedError(UserError):
    """The server refused the request."""


class NotFoundError(RefusedError):
    """The server answered 404."""


class LoginPageError(UserError):
    """An HTML page came instead of an API response."""


class ApiClient(kfp_server_api.ApiClient):
    """kfp's generated client, with timeouts and readable errors.

    kfp's own takes a login page for an empty answer and fails at bytes that are not UTF-8, which
    logs may hold. kfp.Client also prints, reads cookies from ~/.config and is slow to import.

    Every method raises a `UserError`, of a subclass above if callers may handle it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        configuration = kfp_server_api.Configuration(host=connection.host)
        configuration.verify_ssl = connection.verify
        configuration.ssl_ca_cert = str(connection.ca) if connection.ca else None
        configuration.retries = urllib3.Retry(total=4, connect=1, read=0, status=0, redirect=3)
        if not connection.verify:
            urllib3.disable_warnings()  # of --no-verify, at each request
        try:
            super().__init__(configuration, cookie=connection.cookies)
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            raise UserError(f"{connection.ca} cannot be read as certificates: {error}.") from None

    def request(self, method: str, url: str, **sent: Any) -> Any:
        """Sends one request; all of kfp's generated calls end here."""
        if token := self.connection.bearer_token():
            sent["headers"]["Authorization"] = f"Bearer {token}"
        sent |= {
            "_preload_content": True,
            "_request_timeout": (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
        }
        try:
            answer = super().request(method, url, **sent)
        except kfp_server_api.ApiException as error:
            raise self._refusal(error, url.removeprefix(self.connection.host)) from None
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            raise self._unreachable(reason) from None
        if "html" in (answer.getheader("content-type") or ""):
            raise LoginPageError(
                f"{self.connection.host} shows a page for people, most likely to log in, instead "
                f"of answering as Kubeflow's API. {self.connection.how_to_log_in}"
            )
        answer.data = answer.data.decode("utf-8", errors="replace").encode()
        return answer

    def deserialize(self, response: Any, response_type: str) -> Any:
        """Parses a response into one of kfp's models."""
        try:
            json.loads(response.data)  # kfp returns an empty model for invalid JSON
            return super().deserialize(response, response_type)
        except (ValueError, TypeError, AttributeError, kfp_server_api.ApiException) as error:
            raise UserError(
                f"{self.connection.host} answered with something that is not Kubeflow's: {error}."
            ) from None

    def read_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Fetches a path that kfp has no generated call for, as text."""
        given = list((query or {}).items())
        answer = self.call_api(path, "GET", query_params=given, _preload_content=False)
        text: str = answer.data.decode()
        # The API server answers 200 even if there is no log.
        if text.startswith('{"error_message"'):
            raise RefusedError(f"{self.connection.host} has none{_detail(text)}.")
        return text

    def _refusal(
        self, answer: kfp_server_api.ApiException, path: str
    ) -> RefusedError | UnreachableError:
        host, where = self.connection.host, self.connection.namespace
        status, says = int(answer.status), f"({answer.status} {answer.reason})"
        detail = _detail((answer.body or b"").decode("utf-8", errors="replace"))
        if status == 401 or (status == 403 and not self.connection.has_credentials):
            return RefusedError(
                f"{host} does not let us in {says}. {self.connection.how_to_log_in}"
            )
        if status == 403:
            return RefusedError(
                f"{host} knows us, but refuses this {says}"
                f"{f' in namespace {where}' if where else ''}{detail}. "
                + ("Ask for the rights there." if where else "Is --namespace missing?")
            )
        if status >= 500:
            return UnreachableError(f"{host} failed {says} at {path}{detail}.")
        kind = NotFoundError if status == 404 else RefusedError
        return kind(f"{host} refused {path} {says}{detail}.")

    def _unreachable(self, reason: BaseException | None) -> UserError:
        host = self.connection.host
        if isinstance(reason, SSLError):
            return UserError(
                f"{host} cannot be trusted: {reason}. Name its certificate authority with --ca, or "
                "use http:// if it has no TLS."
            )
        # urllib3's NewConnectionError is a TimeoutError, even if the connection failed at once.
        if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
            return UnreachableError(
                f"{host} did not answer in time ({_CONNECT_TIMEOUT_S:.0f} s to connect, "
                f"{_READ_TIMEOUT_S:.0f} s for an answer)."
            )
        return UnreachableError(
            f"{host} cannot be reached: {str(reason).rpartition(': ')[2]}. Check --host, and that "
            "the port-forward or the network to the cluster is up."
        )


def _detail(text: str) -> str:
    """Returns the server's error message as a one-line clause to append; empty if none."""
    try:
        said = json.loads(text)
    except ValueError:
        said = text if "<" not in text else ""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error_message") or said.get("error") or ""
    line = textwrap.shorten(str(said), _LONGEST_DETAIL, placeholder="...")
    return f": {line.rstrip('.')}" if line else ""
