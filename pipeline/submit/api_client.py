"""Speaks HTTP with Kubeflow Pipelines through kfp's API client; errors are one clear line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kfp_server_api
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError, TimeoutError

from pipeline.errors import UserError
from pipeline.submit.connection import COOKIES_VARIABLE, TOKEN_VARIABLE, Connection

V2 = "/apis/v2beta1"
"""Start of the paths of the API that version 2 of Kubeflow Pipelines brought."""
V1 = "/apis/v1beta1"
"""Start of the older API's paths, which version 2 answers too."""

_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
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


class ApiClient:
    """Sends requests; kfp's client and its models shape them.

    The classes of kfp's client that name each call are passed by: from 2.0 to 2.17 the calls were
    renamed, while their paths and models stayed.

    Args:
        connection: where to, and with which credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        configuration = kfp_server_api.Configuration(host=connection.host)
        configuration.verify_ssl = connection.verify
        configuration.ssl_ca_cert = str(connection.ca) if connection.ca else None
        configuration.retries = urllib3.Retry(total=4, connect=1, read=0, status=0, redirect=3)
        if connection.token or connection.token_file:
            configuration.api_key["authorization"] = connection.token or "read for each request"
            configuration.api_key_prefix["authorization"] = "Bearer"
        if connection.token_file and not connection.token:
            configuration.refresh_api_key_hook = _token_reader(connection.token_file)
        if not connection.verify:
            urllib3.disable_warnings()  # --no-verify was asked for: no need to warn at each request
        try:
            self._client = kfp_server_api.ApiClient(configuration, cookie=connection.cookies)
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            raise UserError(f"{connection.ca} cannot be read as certificates: {error}.") from None

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        upload: Path | None = None,
        model: str = "object",
    ) -> Any:
        """Sends one request and returns the answer.

        Args:
            method: the HTTP method.
            path: after the host.
            query: what follows the question mark; None values are left out.
            body: a model of kfp's, sent as JSON.
            upload: a file to send instead.
            model: name of the kfp model of the answer; JSON as it is by default.

        Raises:
            UserError: one of this module's errors.
        """
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if upload is not None:
            headers["Content-Type"] = "multipart/form-data"
        with self._errors(path):
            response = self._client.call_api(
                path,
                method,
                query_params=_given(query),
                header_params=headers,
                body=body,
                files={"uploadfile": str(upload)} if upload is not None else None,
                auth_settings=["Bearer"],
                _preload_content=False,
                _request_timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
            )
            content = _Content(response)
            self._no_page(content.type)
            return self._client.deserialize(content, model)

    def read_text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """Fetches plain text; bytes that are no UTF-8 are replaced.

        Raises:
            UserError: one of this module's errors.
        """
        with self._errors(path):
            response = self._client.call_api(
                path,
                "GET",
                query_params=_given(query),
                header_params={"Accept": "text/plain"},
                auth_settings=["Bearer"],
                _preload_content=False,
                _request_timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
            )
            content = _Content(response)
            self._no_page(content.type)
            return content.data

    def _no_page(self, content_type: str) -> None:
        if "html" in content_type:
            raise LoginPageError(
                f"{self.connection.host} shows a page for people, most likely to log in, instead "
                f"of answering as Kubeflow's API. {self._how_to_log_in()}"
            )

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        host = self.connection.host
        try:
            yield
        except kfp_server_api.ApiException as error:
            raise self._refusal(error, path) from None
        except MaxRetryError as error:
            raise self._unreachable(error.reason) from None
        except HTTPError as error:
            raise self._unreachable(error) from None
        except (ValueError, TypeError, AttributeError) as error:  # of kfp's models
            raise UserError(
                f"{host} answered {path} with something that is not Kubeflow's: {error}."
            ) from None

    def _refusal(self, error: kfp_server_api.ApiException, path: str) -> UserError:
        host, status = self.connection.host, int(error.status)
        if status == 401 or (status == 403 and not self.connection.has_credentials):
            return RefusedError(
                f"{host} does not let us in ({status} {error.reason}). {self._how_to_log_in()}",
                status,
            )
        detail = _detail(error.body)
        if status == 403:
            where = self.connection.namespace
            return RefusedError(
                f"{host} knows us, but refuses this (403 {error.reason})"
                f"{f' in namespace {where}' if where else ''}{detail}. "
                + ("Ask for the rights there." if where else "Is --namespace missing?"),
                status,
            )
        if status >= 500:
            return UnreachableError(f"{host} failed ({status} {error.reason}) at {path}{detail}.")
        return RefusedError(f"{host} refused {path} ({status} {error.reason}){detail}.", status)

    def _unreachable(self, reason: BaseException | None) -> UserError:
        host = self.connection.host
        if isinstance(reason, SSLError):
            return UserError(
                f"{host} cannot be trusted: {reason}. Name its certificate authority with --ca, "
                "or use http:// if it has no TLS."
            )
        if isinstance(reason, TimeoutError) and not _refused(reason):
            return UnreachableError(
                f"{host} did not answer in time ({_CONNECT_TIMEOUT_S:.0f} s to connect, "
                f"{_READ_TIMEOUT_S:.0f} s for an answer)."
            )
        said = str(reason).rpartition(": ")[2]
        return UnreachableError(
            f"{host} cannot be reached: {said}. Check --host, and that the port-forward or the "
            "network to the cluster is up."
        )

    def _how_to_log_in(self) -> str:
        if self.connection.has_credentials:
            return (
                f"The token or cookies may have expired: renew {TOKEN_VARIABLE} or "
                f"{COOKIES_VARIABLE}."
            )
        return (
            f"Set {TOKEN_VARIABLE} to a bearer token, or {COOKIES_VARIABLE} to the cookies that "
            "your browser has for it."
        )


class _Content:
    """An answer as kfp's deserializer takes it; reads it whole.

    kfp's own reading stops at bytes that are no UTF-8, which logs may hold.
    """

    def __init__(self, response: Any) -> None:
        self.type: str = response.headers.get("content-type", "")
        self.data: str = response.data.decode("utf-8", errors="replace")


def _given(query: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in (query or {}).items() if value is not None]


def _token_reader(file: Path) -> Any:
    def read(configuration: kfp_server_api.Configuration) -> None:
        configuration.api_key["authorization"] = file.read_text().strip()

    return read


def _refused(reason: BaseException) -> bool:
    """Whether a connection failed at once: urllib3 counts that among its timeouts."""
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


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
