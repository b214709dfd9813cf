"""Loads images from files and the web, encoded for the model."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.redact import redacted
from ingestion.picture import UnusablePictureError
from serving.client.encode import encode_for_model

if TYPE_CHECKING:
    import httpx

_URL_STARTS = ("http://", "https://")


@dataclass(frozen=True)
class Url:
    """Address from which an image can be downloaded."""

    address: str


@dataclass(frozen=True)
class Problem:
    """Reason why there is no image, in plain words."""

    reason: str


@dataclass(frozen=True)
class Source:
    """Image with a name, not yet loaded."""

    name: str
    content: Path | Url | bytes | Problem


Picture = str | os.PathLike[str] | bytes | Source
"""Input of a client: a path, an http(s) address, an encoded image, or any of these named."""


def is_url(text: str) -> bool:
    """Checks whether `text` is an address that images are downloaded from."""
    return text.lower().startswith(_URL_STARTS)


def source_of(picture: Picture, position: int) -> Source:
    """Names an image by its path or address without a password, else by its position (from 1)."""
    if isinstance(picture, Source):
        return picture
    if isinstance(picture, bytes):
        return Source(f"picture {position}", picture)
    if isinstance(picture, str) and is_url(picture):
        return Source(redacted(picture), Url(picture))
    return Source(os.fspath(picture), Path(picture))


MAX_FILE_BYTES = 256 << 20
"""Larger files are refused."""
_WEB_TIMEOUT_S = 20.0
_HEADERS = {"User-Agent": "dogbreed", "Accept": "image/*"}


@dataclass(frozen=True)
class Loaded:
    """Image that can be sent, or the reason why it cannot."""

    name: str
    data: bytes = b""
    error: str | None = None


class _NotLoadedError(Exception):
    """An image cannot be loaded; the message says why, in plain words."""


class Web:
    """Downloads images; connections are opened when first needed."""

    def __init__(self) -> None:
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None

    def open(self) -> None:
        """Opens the connection of `get`, before several threads use it."""
        import httpx  # takes 0.2 s, and few need it

        self._client = self._client or httpx.Client(
            headers=_HEADERS, timeout=_WEB_TIMEOUT_S, follow_redirects=True
        )

    def get(self, address: str) -> bytes:
        """Downloads a file."""
        import httpx

        assert self._client is not None
        try:
            with self._client.stream("GET", address) as response:
                _check(response)
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    _check_size(len(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _NotLoadedError(_web_trouble(error)) from None
        return bytes(body)

    async def aget(self, address: str) -> bytes:
        """Downloads a file without blocking the event loop."""
        import httpx

        if self._async_client is None:
            self._async_client = httpx.AsyncClient(
                headers=_HEADERS, timeout=_WEB_TIMEOUT_S, follow_redirects=True
            )
        try:
            async with self._async_client.stream("GET", address) as response:
                _check(response)
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    _check_size(len(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _NotLoadedError(_web_trouble(error)) from None
        return bytes(body)

    def close(self) -> None:
        """Closes the connection of `get`."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Closes the connection of `aget`."""
        if self._async_client is not None:
            await self._async_client.aclose()


def load(source: Source, web: Web, shrink_px: int | None) -> Loaded:
    """Reads one image and encodes it for the model."""
    try:
        if isinstance(source.content, Url):
            return _encoded(source.name, web.get(source.content.address), shrink_px)
        return _encoded(source.name, _read(source), shrink_px)
    except _NotLoadedError as error:
        return Loaded(source.name, error=str(error))


async def aload(source: Source, web: Web, shrink_px: int | None) -> Loaded:
    """Does what `load` does; reads files and encodes images in another thread."""
    if not isinstance(source.content, Url):
        return await asyncio.to_thread(load, source, web, shrink_px)
    try:
        data = await web.aget(source.content.address)
        return await asyncio.to_thread(_encoded, source.name, data, shrink_px)
    except _NotLoadedError as error:
        return Loaded(source.name, error=str(error))


def _read(source: Source) -> bytes:
    content = source.content
    if isinstance(content, Problem):
        raise _NotLoadedError(content.reason)
    if not isinstance(content, Path):
        assert isinstance(content, bytes)
        return content
    try:
        with content.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: no valid file name
        raise _NotLoadedError(getattr(error, "strerror", None) or str(error)) from None
    _check_size(len(data))
    return data


def _encoded(name: str, data: bytes, shrink_px: int | None) -> Loaded:
    try:
        return Loaded(name, encode_for_model(data, shrink_px))
    except UnusablePictureError as error:
        raise _NotLoadedError(str(error)) from None
    except MemoryError:
        raise _NotLoadedError("does not fit into memory") from None


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        known = response.status_code in HTTPStatus._value2member_map_
        phrase = f" {HTTPStatus(response.status_code).phrase}" if known else ""
        raise _NotLoadedError(f"the web server answers {response.status_code}{phrase}")


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_FILE_BYTES:
        raise _NotLoadedError(f"larger than {MAX_FILE_BYTES >> 20} MiB")


def _web_trouble(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"cannot be downloaded: {redacted(reason)}"
