from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import pytest
from typer.testing import CliRunner

from foundation.errors import UserError
from pipeline.cli.main import app
from tests.trainer.own_backbone import write_backbone
from trainer.networks.residual import ResidualConfig
from trainer.networks.transfer import backbones
from trainer.networks.transfer.backbones import BACKBONES, published_weights
from trainer.networks.transfer.network import TransferConfig
from trainer.networks.transfer.weights import check_weights

_CONTENT = b"weights" * 400_000


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_PUBLISHED", "http://127.0.0.1:9/")


class _Publisher(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012
    cut_at: int | None = None

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(_CONTENT)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(_CONTENT[: self.cut_at])

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Publisher]]:
    class Publisher(_Publisher):
        asked: list[str] = []  # noqa: RUF012

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(backbones, "_PUBLISHED", f"http://127.0.0.1:{server.server_port}/")
    yield Publisher
    server.shutdown()
    server.server_close()


def _config(**options: Any) -> TransferConfig:
    return TransferConfig.model_validate({"backbone": "MobileNetV2", **options})


def test_weights_that_keras_has_are_found_where_it_keeps_them(
    keras_home: Path, offline: None
) -> None:
    kept = keras_home / "models" / published_weights("MobileNetV2", 224).file_name
    kept.parent.mkdir(parents=True)
    kept.touch()

    assert str(kept) in check_weights(_config())


def test_weights_that_cannot_be_downloaded_are_missed_with_the_way_to_bring_them(
    keras_home: Path, offline: None
) -> None:
    with pytest.raises(UserError) as refused:
        check_weights(_config())

    said = str(refused.value)
    published = published_weights("MobileNetV2", 224)
    assert "Connection refused" in said
    assert published.address in said
    assert str(keras_home / "models" / published.file_name) in said
    assert "trainer.network.weights=FILE" in said


def test_weights_that_can_be_downloaded_are_not_downloaded_by_the_check(
    keras_home: Path, publisher: type[_Publisher]
) -> None:
    assert "will download" in check_weights(_config())
    assert not keras_home.exists()


def test_file_of_weights_is_counted(tmp_path: Path) -> None:
    model = write_backbone(tmp_path / "own.keras")
    model.save_weights(tmp_path / "own.weights.h5")

    for said in (
        check_weights(_config(backbone=str(tmp_path / "own.keras"))),
        check_weights(_config(weights=str(tmp_path / "own.weights.h5"))),
    ):
        assert f"{model.count_params():,} weights" in said


def test_networks_without_weights_have_nothing_to_check() -> None:
    check_weights(ResidualConfig())
    check_weights(_config(weights="none"))


@pytest.mark.parametrize("name", ["gone.h5", "gone.keras"])
def test_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    key = "backbone" if name.endswith(".keras") else "weights"
    with pytest.raises(UserError, match=rf"There is no file .*{name}, which .*\.{key} names"):
        check_weights(_config(**{key: str(tmp_path / name)}))


@pytest.mark.parametrize("name", ["text.weights.h5", "text.keras", "text.bin"])
def test_file_that_holds_no_weights_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no weights")
    key = "backbone" if name.endswith(".keras") else "weights"
    with pytest.raises(UserError, match=f"{name} holds no weights that Keras could load"):
        check_weights(_config(**{key: str(tmp_path / name)}))


def test_backbone_that_says_nothing_of_its_pixels_asks_for_it(tmp_path: Path) -> None:
    write_backbone(tmp_path / "own.keras", scales_pixels=False)
    with pytest.raises(UserError, match=r"set trainer\.network\.scaling to tf"):
        check_weights(_config(backbone=str(tmp_path / "own.keras")))


def test_command_fetches_to_where_keras_looks_or_to_a_folder(
    keras_home: Path, publisher: type[_Publisher], tmp_path: Path
) -> None:
    setting = ["--set", "trainer.network.backbone=MobileNetV3Small"]
    name = published_weights("MobileNetV3Small", 224).file_name

    home = CliRunner().invoke(app, ["weights", "fetch", *setting])
    folder = CliRunner().invoke(app, ["weights", "fetch", *setting, "--to", str(tmp_path / "to")])
    again = CliRunner().invoke(app, ["weights", "fetch", *setting])

    assert (home.exit_code, folder.exit_code, again.exit_code) == (0, 0, 0)
    assert (keras_home / "models" / name).read_bytes() == _CONTENT
    assert (tmp_path / "to" / name).read_bytes() == _CONTENT
    assert f"trainer.network.weights={tmp_path / 'to' / name}" in folder.output
    assert len(publisher.asked) == 2
    assert str(keras_home) in CliRunner().invoke(app, ["weights", "check", *setting]).output


def test_download_that_breaks_off_leaves_nothing(
    keras_home: Path, publisher: type[_Publisher]
) -> None:
    publisher.cut_at = 1_000_000

    ended = CliRunner().invoke(app, ["weights", "fetch"])

    assert ended.exit_code == 1
    assert "1,000,000 of 2,800,000 bytes" in ended.output
    assert not list((keras_home / "models").iterdir())


def test_command_refuses_networks_without_weights() -> None:
    ended = CliRunner().invoke(app, ["weights", "check", "--set", "trainer.network=residual"])

    assert ended.exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "input_px"),
    # One of each family, and one whose file depends on the size of the pictures.
    [*((family.names[0], 224) for family in dict.fromkeys(BACKBONES.values())), ("MobileNet", 160)],
)
def test_published_file_is_the_one_that_keras_asks_for(
    backbone: str, input_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    class Asked(Exception):  # noqa: N818
        pass

    def get_file(fname: str, origin: str, **_: object) -> str:
        asked[origin] = fname
        raise Asked

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)

    def outline() -> None:
        with keras.StatelessScope(initialize_variables=False), pytest.raises(Asked):
            getattr(keras.applications, backbone)(
                include_top=False, weights="imagenet", input_shape=(input_px, input_px, 3)
            )

    with ThreadPoolExecutor(max_workers=1) as thread:  # as in outline_network
        thread.submit(outline).result()

    published = published_weights(backbone, input_px)
    assert asked == {published.address: published.file_name}
