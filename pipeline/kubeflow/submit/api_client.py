"""Speaks HTTP with Kubeflow Pipelines through kfp's API client; errors are one clear line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kfp_server_api
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from foundation.errors import UserError
from pipeline.kubeflow.submit.api_errors import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    login_page,
    refusal,
    unreachable,
)
from pipeline.kubeflow.submit.connection import Connection

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
