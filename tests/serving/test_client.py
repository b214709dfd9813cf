"""The clients against a real gRPC server, with the official messages on its side."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from serving.client.async_client import AsyncBreedClient
from serving.client.load import Picture
from serving.client.options import ClientOptions, ModelNotFoundError
from serving.client.prediction import VersionStatus
from serving.client.sync_client import BreedClient
from tests.pictures import encoded
from tests.serving.asked import COLOURS, Predict, best_breeds, noise_picture, plain_picture
from tests.serving.breed_peer import BREEDS, VERSION, BreedPeer


def test_pictures_of_all_kinds_are_answered_in_order(
    peer: BreedPeer, options: ClientOptions, predict: Predict, tmp_path: Path
) -> None:
    pictures: list[Picture] = []
    for place in range(20):
        path = tmp_path / f"{place}.png"
        path.write_bytes(plain_picture(COLOURS[place % 3]))
        pictures.append([path, str(path), path.read_bytes()][place % 3])

    predictions = predict(replace(options, batch_size=3, concurrency=4), pictures)

    assert best_breeds(predictions) == [BREEDS[place % 3] for place in range(20)]
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
    red = plain_picture(COLOURS[0], "JPEG")
    cut_off = encoded(Image.effect_noise((99, 99), 50), "JPEG")[:-900]

    missing, told, refused, *good = predict(
        options, [tmp_path / "gone.jpg", text, cut_off, red, red]
    )

    assert missing.error == "No such file or directory"
    assert told.error == "text, not a picture"
    assert refused.error == (
        "the server refuses it: Unknown image file format. One of JPEG, PNG, GIF, BMP required"
    )
    assert best_breeds(good) == [BREEDS[0], BREEDS[0]]
    assert peer.batch_sizes == [3, 1, 1, 1]


def test_no_more_calls_are_under_way_than_the_window_holds(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    peer.delay_s = 0.05

    predict(replace(options, batch_size=1, concurrency=3), [plain_picture(COLOURS[0])] * 20)

    assert peer.calls["at once"] == 3
    assert peer.calls["all"] == 20


def test_endless_pictures_are_read_as_far_as_calls_need(options: ClientOptions) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield plain_picture(COLOURS[1])

    with BreedClient(replace(options, batch_size=2, concurrency=2)) as client:
        predictions = client.predict_many(endless())
        assert best_breeds([next(predictions) for _ in range(5)]) == [BREEDS[1]] * 5

    assert taken <= 2 * (2 * 2 + 3)


def test_version_top_and_headers_travel(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    chosen = replace(options, version=VERSION, top=1, token="s3cret", metadata=(("X-Team", "a"),))

    (prediction,) = predict(chosen, [plain_picture(COLOURS[0])])

    assert len(prediction.guesses) == 1
    assert peer.metadata[0]["authorization"] == "Bearer s3cret"
    assert peer.metadata[0]["x-team"] == "a"
    assert "s3cret" not in repr(chosen)


@pytest.mark.slow
def test_batch_of_large_pictures_passes(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    twelve_mb = noise_picture(2000)

    predictions = predict(options, [twelve_mb] * 7)

    assert [prediction.error for prediction in predictions] == [None] * 7
    assert peer.batch_sizes == [2, 2, 2, 1]


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
            found = self.path == "/dog.png"
            self.wfile.write(plain_picture(COLOURS[1]) if found else b"nothing here")

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("localhost", 0), Pictures) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        address = f"http://localhost:{web.server_port}"
        found, moved, gone = predict(
            options, [f"{address}/dog.png", f"{address}/moved.png", f"{address}/cat.png"]
        )
        web.shutdown()

    assert best_breeds([found, moved]) == [BREEDS[1]] * 2
    assert gone.error == "the web server answers 404 Not Found"


@pytest.mark.slow
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

    assert best_breeds(predictions[:4]) == [BREEDS[0], BREEDS[2], BREEDS[0], BREEDS[0]]
    assert predictions[4].guesses[0].probability == pytest.approx(1 / 3)  # white
    assert predictions[5].error is None


@pytest.mark.slow
def test_model_may_say_what_it_does_not_know(
    peer: BreedPeer, options: ClientOptions, predict: Predict
) -> None:
    colours = (COLOURS[0], (200, 160, 150), (90, 90, 90))
    pictures = [encoded(Image.new("RGB", (9, 9), colour), "PNG") for colour in colours]

    before = predict(options, pictures)
    peer.says_what_it_knows = True
    now = predict(options, pictures)
    [grey] = predict(options, pictures[-1:])

    assert [each.certainty for each in before] == [None] * 3
    assert [each.certainty for each in now] == ["sure", "unsure", "unknown"]
    assert (grey.is_known, len(grey.guesses)) == (False, 3)
