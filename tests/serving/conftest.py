from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from serving.client.async_client import AsyncBreedClient
from serving.client.load import Picture
from serving.client.options import ClientOptions
from serving.client.prediction import Prediction
from serving.client.sync_client import BreedClient
from tests.serving.asked import Predict
from tests.serving.breed_peer import BreedPeer, serving_breeds


@pytest.fixture
def peer() -> Iterator[BreedPeer]:
    with serving_breeds() as peer:
        yield peer


@pytest.fixture
def options(peer: BreedPeer) -> ClientOptions:
    return ClientOptions(peer.address, timeout_s=30)


def _sync(options: ClientOptions, pictures: list[Picture]) -> list[Prediction]:
    with BreedClient(options) as client:
        return client.predict(pictures)


def _async(options: ClientOptions, pictures: list[Picture]) -> list[Prediction]:
    async def predict() -> list[Prediction]:
        async with AsyncBreedClient(options) as client:
            return await client.predict(pictures)

    return asyncio.run(predict())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def predict(request: pytest.FixtureRequest) -> Predict:
    """Both clients: whatever holds for one holds for the other."""
    chosen: Predict = request.param
    return chosen
