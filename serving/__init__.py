"""Public client API for calling a served model; docs/python.md has an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.lazy import lazily

if TYPE_CHECKING:
    from serving.client.async_client import AsyncBreedClient as AsyncBreedClient
    from serving.client.options import ClientError as ClientError
    from serving.client.options import ClientOptions as ClientOptions
    from serving.client.options import TlsOptions as TlsOptions
    from serving.client.prediction import Guess as Guess
    from serving.client.prediction import Prediction as Prediction
    from serving.client.sync_client import BreedClient as BreedClient

__getattr__ = lazily(
    __name__,
    {
        "AsyncBreedClient": ".client.async_client",
        "BreedClient": ".client.sync_client",
        "ClientError": ".client.options",
        "ClientOptions": ".client.options",
        "Guess": ".client.prediction",
        "Prediction": ".client.prediction",
        "TlsOptions": ".client.options",
    },
)
