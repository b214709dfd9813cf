"""Sends requests to Kubeflow Pipelines, and says in one line why one failed."""

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
_LONGEST_DETAIL = 300  # characters of a server's own message


class UnreachableError(UserError):
    """No answer came; the same request may succeed later."""


class RefusedError(UserError):
    """The server answered that it will not."""


class NotFoundError(RefusedError):
    """The server answered that there is nothing of that name."""


class LoginPageError(UserError):
    """A page for people came where the API was asked."""


class ApiClient(kfp_server_api.ApiClient):
    """kfp's generated client, with errors for people and without waiting for ever.

    As it is, it takes a login page for an empty answer, and stops at bytes that are no UTF-8, which
    logs may hold. kfp.Client, which is built on it, also prints, takes cookies from ~/.config and
    needs seconds to import.

    Every method raises a `UserError`, one of those above unless nothing can be done about it.

    Args:
        connection: where to, and with which credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        configuration = kfp_server_api.Configuration(host=connection.host)
        configuration.verify_ssl = connection.verify
        configuration.ssl_ca_cert = str(connection.ca) if connection.ca else None
        configuration.retries = urllib3.Retry(total=4, connect=1, read=0, status=0, redirect=3)
        if not connection.verify:
            urllib3.disable_warnings()  # --no-verify was asked for: no need to warn at each request
        try:
            super().__init__(configuration, cookie=connection.cookies)
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            raise UserError(f"{connection.ca} cannot be read as certificates: {error}.") from None

    def request(self, method: str, url: str, **sent: Any) -> Any:
        """Sends one request; this is what each of kfp's generated calls comes to."""
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
        """Makes one of kfp's models of an answer."""
        try:
            json.loads(response.data)  # kfp's own makes an empty model of what is no JSON
            return super().deserialize(response, response_type)
        except (ValueError, TypeError, AttributeError, kfp_server_api.ApiException) as error:
            raise UserError(
                f"{self.connection.host} answered with something that is not Kubeflow's: {error}."
            ) from None

    def read_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Fetches what kfp has no generated call for, as text."""
        given = list((query or {}).items())
        answer = self.call_api(path, "GET", query_params=given, _preload_content=False)
        text: str = answer.data.decode()
        # The API server calls it a success (200) when it says why there is no log.
        if text.startswith('{"error_message"'):
            raise RefusedError(f"{self.connection.host} has none{_detail(text)}.")
        return text

    def _refusal(
        self, answer: kfp_server_api.ApiException, path: str
    ) -> RefusedError | UnreachableError:
        """Says what an answer that is no success means."""
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
        """Says why no answer came."""
        host = self.connection.host
        if isinstance(reason, SSLError):
            return UserError(
                f"{host} cannot be trusted: {reason}. Name its certificate authority with --ca, or "
                "use http:// if it has no TLS."
            )
        # urllib3 counts a connection that failed at once among its timeouts.
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
    """Finds what the server says of its refusal: one line, as a clause to append."""
    try:
        said = json.loads(text)
    except ValueError:
        said = text if "<" not in text else ""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error_message") or said.get("error") or ""
    line = textwrap.shorten(str(said), _LONGEST_DETAIL, placeholder="...")
    return f": {line.rstrip('.')}" if line else ""
