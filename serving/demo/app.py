"""ASGI application of the demo page: static files, predictions and sample images."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from serving.client.async_client import AsyncBreedClient
from serving.client.load import Source
from serving.client.options import ClientError, ClientOptions
from serving.demo.samples import Samples

MAX_PICTURE_BYTES = 32 << 20
"""Largest upload."""
_MAX_DISCARDED_BYTES = 1 << 30
_FILES = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(options: ClientOptions, samples: Samples, hosts: list[str] | None) -> Starlette:
    """Builds the demo page's ASGI application.

    Only requests for host names in `hosts` are answered (None allows any), so that a page elsewhere
    cannot reach this one by pointing its name to this machine.

    Raises:
        ClientError: the server's address or a certificate is unusable.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncBreedClient(options) as app.state.client:
            yield

    async def status(request: Request) -> Response:
        try:
            versions = await request.app.state.client.status()
        except ClientError as error:
            return _complaint(str(error), HTTPStatus.BAD_GATEWAY)
        ready = [version.version for version in versions if version.state == "AVAILABLE"]
        return JSONResponse(
            {"server": options.server, "model": options.model, "version": max(ready, default=None)}
        )

    async def predict(request: Request) -> Response:
        data = await _body(request)
        if data is None:
            limit = MAX_PICTURE_BYTES >> 20
            return _complaint(
                f"The picture is larger than {limit} MiB, which is the most that this page takes.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        try:
            (prediction,) = await request.app.state.client.predict([Source("picture", data)])
        except ClientError as error:
            return _complaint(str(error), HTTPStatus.BAD_GATEWAY)
        if prediction.error is not None:
            return _complaint(
                f"No answer to this one: {prediction.error}.", HTTPStatus.UNPROCESSABLE_ENTITY
            )
        guesses = [
            {
                "breed": guess.breed,
                "probability": guess.probability,
                "sample": samples.number_of(guess.breed),
            }
            for guess in prediction.guesses
        ]
        return JSONResponse(
            {
                "guesses": guesses,
                "certainty": prediction.certainty,
                "latency_ms": prediction.latency_ms,
                "model": options.model,
                "version": prediction.version,
            }
        )

    async def sample(request: Request) -> Response:
        jpeg = await run_in_threadpool(samples.jpeg, request.path_params["number"])
        if jpeg is None:
            return _complaint("There is no such sample.", HTTPStatus.NOT_FOUND)
        return Response(jpeg, media_type="image/jpeg")

    middleware = [Middleware(BaseHTTPMiddleware, dispatch=_with_headers)]
    if hosts is not None:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=hosts))
    return Starlette(
        routes=[
            *(Route(path, _file) for path in _FILES),
            Route("/status", status),
            Route("/predict", predict, methods=["POST"]),
            Route("/samples/{number:int}", sample),
        ],
        middleware=middleware,
        lifespan=lifespan,
    )


async def _file(request: Request) -> Response:
    name, media_type = _FILES[request.url.path]
    return FileResponse(Path(__file__).with_name(name), media_type=media_type)


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes <= MAX_PICTURE_BYTES:
            body += chunk
        elif num_bytes > _MAX_DISCARDED_BYTES:
            break
        else:
            # Browsers ignore an answer that arrives while they are still sending.
            body.clear()
    return bytes(body) if num_bytes <= MAX_PICTURE_BYTES else None


async def _with_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


def _complaint(sentence: str, status: HTTPStatus) -> Response:
    return JSONResponse({"error": sentence}, status)
