"""Where Kubeflow Pipelines is, and what lets us in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError, TimeoutError

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


V2 = "/apis/v2beta1"
"""Start of the paths of the API that version 2 of Kubeflow Pipelines brought."""
V1 = "/apis/v1beta1"
"""Start of the older API's paths, which version 2 answers too."""

_TIMEOUTS_S = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)


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
            UserError: one of `api_errors`.
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
                _request_timeout=_TIMEOUTS_S,
            )
            content = _Content(response)
            self._no_page(content.type)
            return self._client.deserialize(content, model)

    def read_text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """Fetches plain text; bytes that are no UTF-8 are replaced.

        Raises:
            UserError: one of `api_errors`.
        """
        with self._errors(path):
            response = self._client.call_api(
                path,
                "GET",
                query_params=_given(query),
                header_params={"Accept": "text/plain"},
                auth_settings=["Bearer"],
                _preload_content=False,
                _request_timeout=_TIMEOUTS_S,
            )
            content = _Content(response)
            self._no_page(content.type)
            return content.data

    def _no_page(self, content_type: str) -> None:
        if "html" in content_type:
            raise login_page(self.connection)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except kfp_server_api.ApiException as error:
            raise refusal(error, path, self.connection) from None
        except MaxRetryError as error:
            raise unreachable(error.reason, self.connection) from None
        except HTTPError as error:
            raise unreachable(error, self.connection) from None
        except (ValueError, TypeError, AttributeError) as error:  # of kfp's models
            raise UserError(
                f"{self.connection.host} answered {path} with something that is not Kubeflow's: "
                f"{error}."
            ) from None


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
