"""How the clients reach a server: retries, waiting, refusals, encryption."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from serving.client.load import Picture
from serving.client.options import (
    ClientError,
    ClientOptions,
    ModelNotFoundError,
    ServerUnavailableError,
    TlsOptions,
)
from serving.client.prediction import Prediction
from serving.client.sync_client import BreedClient
from tests.serving.asked import COLOURS, Predict, best_breeds, noise_picture, plain_picture
from tests.serving.breed_peer import BREEDS, BreedPeer, serving_breeds
from tests.serving.certificates import Authority


@pytest.mark.parametrize("side_px", [16, 500], ids=["small", "700 kB"])
def test_unavailable_is_tried_again_by_grpc(
    peer: BreedPeer, options: ClientOptions, predict: Predict, side_px: int
) -> None:
    peer.unavailable = 2

    (prediction,) = predict(options, [noise_picture(side_px)])

    assert prediction.error is None
    assert peer.calls["all"] == 3
    attempts = [dict(seen).get("grpc-previous-rpc-attempts") for seen in peer.metadata]
    assert attempts == [None, "1", "2"]


def test_server_that_stays_unavailable_ends_it(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.unavailable = 1000

    with pytest.raises(ServerUnavailableError, match=r"The queue is full\. Start one with"):
        predict(options, [plain_picture(COLOURS[0])])

    assert peer.calls["all"] == 5


def test_call_that_takes_too_long_fails_and_is_not_repeated(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.delay_s = 1

    (prediction,) = predict(replace(options, timeout_s=0.1), [plain_picture(COLOURS[0])])

    assert prediction.error == "no answer within 0.1 s"
    assert peer.calls["all"] == 1


def test_absent_server_is_named_with_what_to_do(predict: Predict) -> None:
    with serving_breeds() as peer:
        address = peer.address

    with pytest.raises(ServerUnavailableError) as raised:
        predict(ClientOptions(address), [plain_picture(COLOURS[0])])

    assert str(raised.value).startswith(f"No model server is available at {address}: ")
    assert "Start one with 'dogbreed serve'" in str(raised.value)


def test_server_that_never_comes_ends_the_wait(predict: Predict) -> None:
    with serving_breeds() as peer:
        address = peer.address

    with pytest.raises(ServerUnavailableError, match=r"no answer within 0\.3 s"):
        predict(
            ClientOptions(address, wait_for_ready=True, timeout_s=0.3, batch_size=1),
            [plain_picture(COLOURS[0])] * 99,
        )


def test_waits_for_a_server_that_is_still_starting(predict: Predict) -> None:
    with serving_breeds() as earlier:
        address = earlier.address
    results: list[list[Prediction]] = []
    caller = threading.Thread(
        target=lambda: results.append(
            predict(ClientOptions(address, wait_for_ready=True), [plain_picture(COLOURS[2])])
        )
    )
    caller.start()

    with serving_breeds(address):
        caller.join(30)

    assert best_breeds(results[0]) == [BREEDS[2]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "cats"}, "does not serve model 'cats': Servable not found"),
        ({"version": 3}, "does not serve version 3 of model 'dogbreed'"),
        ({"label": "canary"}, "model 'dogbreed' under the label 'canary'"),
    ],
)
def test_model_that_is_not_served_ends_it(
    options: ClientOptions, predict: Predict, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelNotFoundError, match=message):
        predict(replace(options, **changes), [plain_picture(COLOURS[0])] * 3)


def test_unix_socket(predict: Predict, tmp_path: Path) -> None:
    with serving_breeds(f"unix:{tmp_path}/socket") as peer:
        predictions = predict(ClientOptions(peer.address), [plain_picture(COLOURS[1])])

    assert best_breeds(predictions) == [BREEDS[1]]


def test_tls_and_mutual_tls(predict: Predict, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    server, client = ours.pair("dogs.example"), ours.pair("client")
    ca = ours.certificate
    pictures: list[Picture] = [plain_picture(COLOURS[2])]
    key_and_certificate = [(server.key.read_bytes(), server.certificate.read_bytes())]
    simple = grpc.ssl_server_credentials(key_and_certificate)
    mutual = grpc.ssl_server_credentials(key_and_certificate, ca.read_bytes(), True)

    with serving_breeds(credentials=simple) as peer:
        trusting = ClientOptions(peer.address, tls=TlsOptions(ca, server_name="dogs.example"))
        assert best_breeds(predict(trusting, pictures)) == [BREEDS[2]]
        for distrusted in (TlsOptions(others.certificate, server_name="dogs.example"),
                           TlsOptions(ca)):  # fmt: skip
            with pytest.raises(ServerUnavailableError, match=peer.address):
                predict(replace(trusting, tls=distrusted), pictures)
    with serving_breeds(credentials=mutual) as peer:
        known = TlsOptions(ca, client.certificate, client.key, "dogs.example")
        assert best_breeds(predict(ClientOptions(peer.address, tls=known), pictures)) == [BREEDS[2]]
        with pytest.raises(ServerUnavailableError):
            predict(ClientOptions(peer.address, tls=replace(known, cert=None, key=None)), pictures)


def test_unusable_certificates_and_addresses_are_named(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    one, other = ours.pair("one"), ours.pair("other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN DOG-----")

    for tls, message in [
        (TlsOptions(tmp_path / "gone.pem"), "gone.pem cannot be read: No such file"),
        (TlsOptions(nonsense), "nonsense.pem holds no certificate"),
        (TlsOptions(None, one.certificate, other.key), "not a certificate and its private key"),
    ]:
        with pytest.raises(ClientError, match=message):
            BreedClient(ClientOptions(tls=tls))
    for address in ("https://dogs.example", "dogs.example:99999", "a b", ""):
        with pytest.raises(ClientError, match="is no address of a model server"):
            BreedClient(ClientOptions(address))
    with pytest.raises(ValueError, match="exclude each other"):
        ClientOptions(version=1, label="stable")
