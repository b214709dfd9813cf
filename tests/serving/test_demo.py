"""`dogbreed demo` as a process, in a real browser, against a real gRPC server."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from serving.demo.app import MAX_PICTURE_BYTES
from serving.demo.samples import Samples
from tests.pictures import encoded
from tests.serving.breed_peer import BREEDS, VERSION, BreedPeer, serving_breeds

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_PATIENCE_S = 60
RED, GREEN = (250, 20, 10), (20, 250, 10)
_DROP = """([name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    return transfer;
}"""


@pytest.fixture(scope="module")
def peer() -> Iterator[BreedPeer]:
    with serving_breeds() as peer:
        yield peer


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of two of the three breeds, as Stanford Dogs lays them out."""
    folder = tmp_path_factory.mktemp("samples")
    for breed, colour in (("n1-Red_Setter", RED), ("n02000001-Red_Setter", RED),
                          ("n02000002-Greenland_Dog", GREEN)):  # fmt: skip
        (folder / "Images" / breed).mkdir(parents=True)
        picture = encoded(Image.new("RGB", (400, 300), colour), "TIFF")
        (folder / "Images" / breed / "1.tif").write_bytes(picture)
    return folder


@contextmanager
def _demo(*arguments: str | Path, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts the command; yields it with the page's address."""
    process = subprocess.Popen(
        [_DOGBREED, "demo", *arguments],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell has what it starts in the background ignore interrupts, and so would our child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = next((word for word in said.split() if word.startswith("http")), "")
        if not address:
            pytest.fail(f"{said}{process.communicate(timeout=_PATIENCE_S)[1]}")
        yield process, address
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def address(
    peer: BreedPeer, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    arguments = ("--server", peer.address, "--samples", samples)
    with _demo(*arguments, cwd=tmp_path_factory.mktemp("empty")) as (_, address):
        yield address


@pytest.fixture
def page(browser, address: str):
    """The page, on a phone's screen; whatever its console complains of is in `page.complaints`."""
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.complaints = []

    def note(said) -> None:
        if said.type == "error":
            page.complaints.append(said.text)

    page.on("console", note)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    # Asked for before anything is pressed: Chromium would open a dialogue of its own.
    page.on("filechooser", lambda chooser: None)
    page.goto(address)
    yield page
    page.close()


def _drop(page, name: str, media_type: str, data: bytes) -> None:
    handle = page.evaluate_handle(_DROP, [name, media_type, base64.b64encode(data).decode()])
    page.dispatch_event("#drop", "drop", {"dataTransfer": handle})


def _red() -> bytes:
    return encoded(Image.new("RGB", (30, 20), RED), "PNG")


def test_dropped_picture_shows_bars_in_order_with_samples(page) -> None:
    _drop(page, "rex.png", "image/png", _red())
    page.wait_for_selector(".guesses li")

    assert page.locator(".breed").all_inner_texts() == list(BREEDS)
    assert page.locator(".percent").all_inner_texts() == ["88.7 %", "7.4 %", "3.9 %"]
    widths = [bar.bounding_box()["width"] for bar in page.locator(".share").all()]
    track = page.locator(".track").first.bounding_box()["width"]
    assert [width / track for width in widths] == pytest.approx([0.887, 0.074, 0.039], abs=0.01)
    about = page.locator(".about").inner_text()
    assert about.split(" ms")[0].isdecimal()
    assert about.endswith(f" ms, model dogbreed, version {VERSION}")
    page.locator(".sample img").nth(1).wait_for()
    assert page.locator(".sample img").first.get_attribute("alt") == "A sample of Red Setter"
    assert page.locator(".sample svg").count() == 1  # no sample of the third
    assert page.get_by_alt_text("Your picture rex.png").is_visible()
    assert f"Model dogbreed, version {VERSION}, at " in page.locator("#status").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.complaints == []


def test_picture_of_no_dog_is_said_to_be_none(page, peer: BreedPeer) -> None:
    peer.says_what_it_knows = True
    for name, colour in (("unsure.png", (200, 160, 150)), ("grey.png", (90, 90, 90))):
        _drop(page, name, "image/png", encoded(Image.new("RGB", (9, 9), colour), "PNG"))
        page.wait_for_selector(f"article:has(img[alt='Your picture {name}']) .about:visible")
    peer.says_what_it_knows = False

    unknown, unsure = page.locator(".reserve").all_inner_texts()
    assert unknown.startswith("Not a dog we know")
    assert unsure.startswith("Unsure")
    weights = page.evaluate(
        "[...document.querySelectorAll('.guesses li:first-child .breed')]"
        ".map((breed) => getComputedStyle(breed).fontWeight)"
    )
    assert weights == ["400", "400"]


def test_text_file_is_refused_in_a_sentence(page) -> None:
    _drop(page, "notes.txt", "text/plain", b"A dog barks.")
    page.wait_for_selector(".error:not([hidden])")

    assert page.get_by_role("alert").inner_text() == ("No answer to this one: text, not a picture.")


def test_keyboard_reaches_everything(page, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(_red())

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files([tmp_path / "a.png", tmp_path / "b.png"])
    page.locator(".about:visible").nth(1).wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "clear"
    page.keyboard.press("Enter")

    assert page.locator("article").count() == 0
    assert page.locator("#none").is_visible()
    assert page.evaluate("document.activeElement.id") == "files"
    assert page.complaints == []


def test_pasted_picture_is_answered(page) -> None:
    handle = page.evaluate_handle(_DROP, ["", "image/png", base64.b64encode(_red()).decode()])
    page.evaluate(
        "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        handle,
    )
    page.wait_for_selector(".guesses li")

    assert page.locator("figcaption").inner_text() == "pasted picture"


def test_absent_model_server_is_said_in_a_sentence(browser, tmp_path: Path) -> None:
    with serving_breeds() as peer:
        pass
    with _demo("--server", peer.address, cwd=tmp_path) as (process, address):
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#status.away")
        assert f"No model server is available at {peer.address}" in page.inner_text("#status")
        with serving_breeds(peer.address):
            _drop(page, "rex.png", "image/png", _red())
            page.wait_for_selector(".guesses li")
            page.wait_for_selector("#status:not(.away)")
        process.kill()
        _drop(page, "rex.png", "image/png", _red())
        page.wait_for_selector(".error:not([hidden])")
        assert page.get_by_role("alert").first.inner_text() == (
            "This page's server has stopped. Start 'dogbreed demo' again."
        )
        page.close()


def test_too_large_upload_is_refused_in_a_sentence(page, tmp_path: Path, address: str) -> None:
    (tmp_path / "huge.png").write_bytes(bytes(MAX_PICTURE_BYTES + 1))

    page.set_input_files("#files", tmp_path / "huge.png")
    page.wait_for_selector(".error:not([hidden])", timeout=_PATIENCE_S * 1000)

    assert page.get_by_role("alert").inner_text() == (
        "The picture is larger than 32 MiB, which is the most that this page takes."
    )
    assert page.complaints == [
        "Failed to load resource: the server responded with a status of 413 (Request Entity Too "
        "Large)"
    ]
    assert httpx.post(f"{address}predict", content=_red()).status_code == 200


def test_other_names_and_samples_that_are_not_there_are_refused(address: str) -> None:
    assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 400
    assert httpx.get(f"{address}samples/99").status_code == 404
    assert httpx.get(f"{address}../../pyproject.toml").status_code == 404
    policy = httpx.get(address).headers["content-security-policy"]
    assert "default-src 'self'" in policy


def test_samples_of_a_pushed_version(tmp_path: Path) -> None:
    extra = tmp_path / "assets.extra"
    (extra / "samples").mkdir(parents=True)
    (extra / "breeds.txt").write_text("Toy Beagle\nToy Husky\n", encoding="utf-8")
    (extra / "samples" / "1.jpg").write_bytes(encoded(Image.new("RGB", (900, 600)), "JPEG"))

    samples = Samples(tmp_path)

    assert samples.number_of("Toy Beagle") is None
    number = samples.number_of("toy husky")
    assert number is not None
    assert samples.jpeg(number) is not None
    assert len(Samples(None)) == 0


def test_interrupt_ends_it_cleanly(peer: BreedPeer, tmp_path: Path) -> None:
    with _demo("--server", peer.address, cwd=tmp_path) as (process, address):
        assert httpx.get(f"{address}status").json()["version"] == VERSION
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=_PATIENCE_S)

    assert process.returncode == 0
    assert complaints == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--samples", "gone"), 2, "gone is no folder: --samples needs one."),
        (("--samples", "."), 2, ". holds no samples"),
        (("--server", "http://a"), 1, "'http://a' is no address of a model server"),
        (("--ca", "gone.pem"), 1, "gone.pem cannot be read"),
        (("--host", "192.0.2.1"), 1, "The page cannot listen on 192.0.2.1"),
    ],
)
def test_wrong_options_are_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    _assert_fails(tmp_path, arguments, code, message)


def test_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ("--host", "127.0.0.1", "--port", port)
        _assert_fails(tmp_path, arguments, 1, f"Port {port} is in use. Name another with")


def _assert_fails(cwd: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = subprocess.run(
        [_DOGBREED, "demo", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {message}")
    assert done.stderr.count("\n") == 1
