"""The clients against a real gRPC server, with the official messages on its side."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from PIL import Image
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from serving.client import messages_pb2
from serving.client.async_client import AsyncBreedClient
from serving.client.load import Picture
from serving.client.options import (
    ClientError,
    ClientOptions,
    ModelNotFoundError,
    ServerUnavailableError,
    TlsOptions,
)
from serving.client.prediction import Prediction, VersionStatus
from serving.client.sync_client import BreedClient
from tests.pictures import encoded
from tests.serving.breed_peer import BREEDS, VERSION, BreedPeer, serving_breeds
from tests.serving.certificates import Authority

Predict = Callable[[ClientOptions, list[Picture]], list[Prediction]]
COLOURS = ((250, 20, 10), (20, 250, 10), (10, 20, 250))


def _picture(colour: tuple[int, int, int], picture_format: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (16, 12), colour), picture_format)


def _noise(side_px: int) -> bytes:
    """A picture that cannot be compressed."""
    return encoded(Image.effect_noise((side_px, side_px), 90).convert("RGB"), "BMP")


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


def _best(predictions: list[Prediction]) -> list[str]:
    return [prediction.guesses[0].breed for prediction in predictions]


def test_pictures_of_all_kinds_are_answered_in_order(
    peer: BreedPeer, options: ClientOptions, predict: Predict, tmp_path: Path
) -> None:
    pictures: list[Picture] = []
    for place in range(20):
        path = tmp_path / f"{place}.png"
        path.write_bytes(_picture(COLOURS[place % 3]))
        pictures.append([path, str(path), path.read_bytes()][place % 3])

    predictions = predict(replace(options, batch_size=3, concurrency=4), pictures)

    assert _best(predictions) == [BREEDS[place % 3] for place in range(20)]
    assert predictions[0].name == str(tmp_path / "0.png")
    assert predictions[2].name == "picture 3"
    assert predictions[0].version == VERSION
    assert [guess.probability for guess in predictions[0].guesses] == pytest.approx(
        [251 / 283, 21 / 283, 11 / 283], abs=1e-6
    )
    assert sorted(peer.batch_sizes) == [2, 3, 3, 3, 3, 3, 3]


def test_bad_pictures_among_good_ones_fail_alone(
    peer: BreedPeer, options: ClientOptions, predict: Predict, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("A dog barks.")
    red = _picture(COLOURS[0], "JPEG")
    cut_off = encoded(Image.effect_noise((99, 99), 50), "JPEG")[:-900]

    missing, told, refused, *good = predict(
        options, [tmp_path / "gone.jpg", text, cut_off, red, red]
    )

    assert missing.error == "No such file or directory"
    assert told.error == "text, not a picture"
    assert refused.error == (
        "the server refuses it: Unknown image file format. One of JPEG, PNG, GIF, BMP required"
    )
    assert _best(good) == [BREEDS[0], BREEDS[0]]
    assert peer.batch_sizes == [3, 1, 1, 1]


def test_no_more_calls_are_under_way_than_the_window_holds(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.delay_s = 0.05

    predict(replace(options, batch_size=1, concurrency=3), [_picture(COLOURS[0])] * 20)

    assert peer.calls["at once"] == 3
    assert peer.calls["all"] == 20


def test_endless_pictures_are_read_as_far_as_calls_need(options: ClientOptions) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield _picture(COLOURS[1])

    with BreedClient(replace(options, batch_size=2, concurrency=2)) as client:
        predictions = client.predict_many(endless())
        assert _best([next(predictions) for _ in range(5)]) == [BREEDS[1]] * 5

    assert taken <= 2 * (2 * 2 + 3)


@pytest.mark.parametrize("side_px", [16, 500], ids=["small", "700 kB"])
def test_unavailable_is_tried_again_by_grpc(
    peer: BreedPeer, options: ClientOptions, predict: Predict, side_px: int
) -> None:
    peer.unavailable = 2

    (prediction,) = predict(options, [_noise(side_px)])

    assert prediction.error is None
    assert peer.calls["all"] == 3
    attempts = [dict(seen).get("grpc-previous-rpc-attempts") for seen in peer.metadata]
    assert attempts == [None, "1", "2"]


def test_server_that_stays_unavailable_ends_it(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.unavailable = 1000

    with pytest.raises(ServerUnavailableError, match=r"The queue is full\. Start one with"):
        predict(options, [_picture(COLOURS[0])])

    assert peer.calls["all"] == 5


def test_call_that_takes_too_long_fails_and_is_not_repeated(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.delay_s = 1

    (prediction,) = predict(replace(options, timeout_s=0.1), [_picture(COLOURS[0])])

    assert prediction.error == "no answer within 0.1 s"
    assert peer.calls["all"] == 1


def test_absent_server_is_named_with_what_to_do(predict: Predict) -> None:
    with serving_breeds() as peer:
        address = peer.address

    with pytest.raises(ServerUnavailableError) as raised:
        predict(ClientOptions(address), [_picture(COLOURS[0])])

    assert str(raised.value).startswith(f"No model server is available at {address}: ")
    assert "Start one with 'dogbreed serve'" in str(raised.value)


def test_server_that_never_comes_ends_the_wait(predict: Predict) -> None:
    with serving_breeds() as peer:
        address = peer.address

    with pytest.raises(ServerUnavailableError, match=r"no answer within 0\.3 s"):
        predict(
            ClientOptions(address, wait_for_ready=True, timeout_s=0.3, batch_size=1),
            [_picture(COLOURS[0])] * 99,
        )


def test_waits_for_a_server_that_is_still_starting(predict: Predict) -> None:
    with serving_breeds() as earlier:
        address = earlier.address
    results: list[list[Prediction]] = []
    caller = threading.Thread(
        target=lambda: results.append(
            predict(ClientOptions(address, wait_for_ready=True), [_picture(COLOURS[2])])
        )
    )
    caller.start()

    with serving_breeds(address):
        caller.join(30)

    assert _best(results[0]) == [BREEDS[2]]


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
        predict(replace(options, **changes), [_picture(COLOURS[0])] * 3)


def test_version_top_and_headers_travel(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    chosen = replace(options, version=VERSION, top=1, token="s3cret", metadata=(("X-Team", "a"),))

    (prediction,) = predict(chosen, [_picture(COLOURS[0])])

    assert len(prediction.guesses) == 1
    assert peer.metadata[0]["authorization"] == "Bearer s3cret"
    assert peer.metadata[0]["x-team"] == "a"
    assert "s3cret" not in repr(chosen)


def test_batch_of_large_pictures_passes(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    twelve_mb = _noise(2000)

    predictions = predict(options, [twelve_mb] * 7)

    assert [prediction.error for prediction in predictions] == [None] * 7
    assert peer.batch_sizes == [2, 2, 2, 1]


def test_unix_socket(predict: Predict, tmp_path: Path) -> None:
    with serving_breeds(f"unix:{tmp_path}/socket") as peer:
        predictions = predict(ClientOptions(peer.address), [_picture(COLOURS[1])])

    assert _best(predictions) == [BREEDS[1]]


def test_tls_and_mutual_tls(predict: Predict, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    server, client = ours.pair("dogs.example"), ours.pair("client")
    ca = ours.certificate
    pictures: list[Picture] = [_picture(COLOURS[2])]
    key_and_certificate = [(server.key.read_bytes(), server.certificate.read_bytes())]
    simple = grpc.ssl_server_credentials(key_and_certificate)
    mutual = grpc.ssl_server_credentials(key_and_certificate, ca.read_bytes(), True)

    with serving_breeds(credentials=simple) as peer:
        trusting = ClientOptions(peer.address, tls=TlsOptions(ca, server_name="dogs.example"))
        assert _best(predict(trusting, pictures)) == [BREEDS[2]]
        for distrusted in (TlsOptions(others.certificate, server_name="dogs.example"),
                           TlsOptions(ca)):  # fmt: skip
            with pytest.raises(ServerUnavailableError, match=peer.address):
                predict(replace(trusting, tls=distrusted), pictures)
    with serving_breeds(credentials=mutual) as peer:
        known = TlsOptions(ca, client.certificate, client.key, "dogs.example")
        assert _best(predict(ClientOptions(peer.address, tls=known), pictures)) == [BREEDS[2]]
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


def test_status_tells_the_versions(options: ClientOptions) -> None:
    async def ask() -> list[VersionStatus]:
        async with AsyncBreedClient(options) as client:
            return await client.status()

    with BreedClient(options) as client:
        versions = client.status()

    assert versions == [VersionStatus(7, "AVAILABLE"), VersionStatus(6, "UNLOADING")]
    assert asyncio.run(ask()) == versions
    with BreedClient(replace(options, model="cats")) as client, pytest.raises(ModelNotFoundError):
        client.status()


def test_pictures_from_the_web(options: ClientOptions, predict: Predict) -> None:
    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved.png":
                self.send_response(302)
                self.send_header("Location", "/dog.png")
                self.end_headers()
                return
            self.send_response(200 if self.path == "/dog.png" else 404)
            self.end_headers()
            self.wfile.write(_picture(COLOURS[1]) if self.path == "/dog.png" else b"nothing here")

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("localhost", 0), Pictures) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        address = f"http://localhost:{web.server_port}"
        found, moved, gone = predict(
            options, [f"{address}/dog.png", f"{address}/moved.png", f"{address}/cat.png"]
        )
        web.shutdown()

    assert _best([found, moved]) == [BREEDS[1]] * 2
    assert gone.error == "the web server answers 404 Not Found"


def _message_fields(descriptor: object) -> dict[str, tuple[int, int, bool]]:
    return {
        field.name: (field.number, field.type, field.label == field.LABEL_REPEATED)
        for field in descriptor.fields
    }


@pytest.mark.parametrize(
    ("ours", "official"),
    [
        (messages_pb2.PredictRequest, predict_pb2.PredictRequest),
        (messages_pb2.PredictResponse, predict_pb2.PredictResponse),
        (messages_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusRequest),
        (messages_pb2.GetModelStatusResponse, get_model_status_pb2.GetModelStatusResponse),
    ],
)
def test_declared_messages_are_the_official_ones(ours: type, official: type) -> None:
    enum, int32 = 14, 5
    pairs = [(ours.DESCRIPTOR, official.DESCRIPTOR)]
    for declared, true in pairs:
        fields = _message_fields(true)
        for name, (number, kind, repeated) in _message_fields(declared).items():
            true_number, true_kind, true_repeated = fields[name]
            assert (number, repeated) == (true_number, true_repeated), f"{true.full_name}.{name}"
            assert kind == (int32 if true_kind == enum else true_kind), f"{true.full_name}.{name}"
            if (inner := declared.fields_by_name[name].message_type) is not None:
                pairs.append((inner, true.fields_by_name[name].message_type))


@pytest.mark.parametrize(
    "order", ["client, stubs", "stubs, client"], ids=["client first", "TensorFlow first"]
)
def test_client_needs_no_tensorflow_and_bears_it(order: str) -> None:
    parts = {
        "client": "from serving.client.sync_client import BreedClient\n"
        "from serving.client.messages_pb2 import PredictRequest as Ours\n"
        "loaded = 'tensorflow' in sys.modules\n",
        "stubs": "from tensorflow_serving.apis.predict_pb2 import PredictRequest as Official\n",
    }
    script = "import sys\n" + "".join(parts[part] for part in order.split(", "))
    script += (
        "ours = Ours(); ours.model_spec.name = 'dogs'\n"
        "assert Official.FromString(ours.SerializeToString()).model_spec.name == 'dogs'\n"
        "print(loaded)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.stdout == f"{order != 'client, stubs'}\n", done.stderr


def test_picture_is_seen_as_a_person_sees_it(options: ClientOptions, predict: Predict) -> None:
    """The peer looks at the top left corner: what is turned or see-through shows there."""
    halves = Image.new("RGB", (200, 100), COLOURS[0])
    halves.paste(COLOURS[2], (100, 0, 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = io.BytesIO()
    halves.save(turned, "JPEG", exif=exif, quality=95)
    see_through = Image.new("RGBA", (20, 20), (*COLOURS[1], 0))
    huge = Image.new("L", (6000, 5000))

    predictions = predict(
        options,
        [
            encoded(halves, "JPEG"),
            turned.getvalue(),
            encoded(halves, "WEBP"),
            encoded(halves, "TIFF"),
            encoded(see_through, "PNG"),
            encoded(huge, "PNG"),
        ],
    )

    assert _best(predictions[:4]) == [BREEDS[0], BREEDS[2], BREEDS[0], BREEDS[0]]
    assert predictions[4].guesses[0].probability == pytest.approx(1 / 3)  # white
    assert predictions[5].error is None
