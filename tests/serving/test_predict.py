"""`dogbreed predict` as a process, against a real gRPC server."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import encoded
from tests.serving.breed_peer import BREEDS, VERSION, BreedPeer, serving_breeds

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_PATIENCE_S = 60
COLOURS = ((250, 20, 10), (20, 250, 10), (10, 20, 250))


@pytest.fixture
def peer() -> Iterator[BreedPeer]:
    with serving_breeds() as peer:
        yield peer


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three pictures, in order of their names, and things that are none."""
    folder = tmp_path / "dogs"
    (folder / "more" / ".thumbnails").mkdir(parents=True)
    for place, name in enumerate(("a.png", "b.JPG", "more/c.webp")):
        picture_format = ("PNG", "JPEG", "WEBP")[place]
        (folder / name).write_bytes(
            encoded(Image.new("RGB", (9, 9), COLOURS[place]), picture_format)
        )
    (folder / "notes.txt").write_text("A dog barks.")
    (folder / "more" / ".thumbnails" / "t.png").write_text("hidden")
    return folder


def _predict(
    peer: BreedPeer, *arguments: str | Path, cwd: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [_DOGBREED, "predict", "--server", peer.address, *arguments],
        cwd=cwd, input=stdin, capture_output=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def _lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_table_names_the_breeds_and_ends_with_a_summary(peer: BreedPeer, pictures: Path) -> None:
    done = _predict(peer, ".", cwd=pictures)

    heading, *rows = done.stdout.splitlines()
    assert heading.split() == ["File", "Breed", "Then"]
    assert [row.split()[0] for row in rows] == ["a.png", "b.JPG", "more/c.webp"]
    for row, breed in zip(rows, BREEDS, strict=True):
        assert breed in row
        assert "%" in row
    assert done.stderr.startswith("3 pictures named in ")
    assert done.stderr.endswith(f"model dogbreed, version {VERSION}.\n")
    assert done.returncode == 0


def test_json_of_files_patterns_and_lists_in_order(peer: BreedPeer, pictures: Path) -> None:
    done = _predict(
        peer, "--json", "--top", "2", "**/*.webp", "a.png", "--from-list", "-",
        cwd=pictures, stdin=b"b.JPG\n\na.png\n",
    )  # fmt: skip

    entries = _lines(done)
    assert [entry["file"] for entry in entries] == ["more/c.webp", "a.png", "b.JPG", "a.png"]
    assert entries[1]["model_version"] == VERSION
    assert entries[1]["predictions"] == [
        {"breed": BREEDS[0], "probability": pytest.approx(251 / 283, abs=1e-6)},
        {"breed": BREEDS[1], "probability": pytest.approx(21 / 283, abs=1e-6)},
    ]
    assert done.returncode == 0


def test_csv_has_a_row_for_each_picture(peer: BreedPeer, pictures: Path) -> None:
    (pictures / "with, comma.png").write_bytes((pictures / "a.png").read_bytes())

    done = _predict(peer, "--csv", "with, comma.png", "notes.txt", cwd=pictures)

    good, bad = csv.DictReader(io.StringIO(done.stdout))
    assert good["file"] == "with, comma.png"
    assert (good["breed_1"], good["breed_3"]) == (BREEDS[0], BREEDS[2])
    assert float(good["probability_1"]) == pytest.approx(251 / 283, abs=1e-6)
    assert good["model_version"] == str(VERSION)
    assert bad["error"] == "text, not a picture"
    assert done.returncode == 1


@pytest.mark.parametrize("as_what", ["table", "--json", "--csv"])
def test_unsure_and_unknown_are_said_instead_of_a_breed(
    peer: BreedPeer, pictures: Path, as_what: str
) -> None:
    peer.says_what_it_knows = True
    for name, colour in (("d.png", (200, 160, 150)), ("e.png", (90, 90, 90))):
        (pictures / name).write_bytes(encoded(Image.new("RGB", (9, 9), colour), "PNG"))

    done = _predict(
        peer, "a.png", "d.png", "e.png", *([] if as_what == "table" else [as_what]), cwd=pictures
    )

    assert done.stderr.startswith("1 picture named in ")
    assert "; 1 unsure; 1 not known; " in done.stderr
    assert done.returncode == 0
    if as_what == "table":
        _, sure, unsure, unknown = done.stdout.splitlines()
        assert sure.split()[1:3] == BREEDS[0].split()
        assert unsure.split()[1] == "unsure"
        assert "not a dog it knows" in unknown
    else:
        entries = _lines(done) if as_what == "--json" else csv.DictReader(io.StringIO(done.stdout))
        assert [entry["certainty"] for entry in entries] == ["sure", "unsure", "unknown"]


def test_what_cannot_be_answered_does_not_stop_the_rest(peer: BreedPeer, pictures: Path) -> None:
    (pictures / "empty").mkdir()
    odd_name = os.fsencode(pictures) + b"/caf\xe9.png"
    Path(os.fsdecode(odd_name)).write_bytes((pictures / "a.png").read_bytes())

    done = _predict(
        peer, "--json", "gone.jpg", "empty", "*.tiff", "notes.txt", os.fsdecode(odd_name), "-",
        cwd=pictures, stdin=(pictures / "b.JPG").read_bytes(),
    )  # fmt: skip

    *bad, odd, piped = _lines(done)
    assert [entry["error"] for entry in bad] == [
        "No such file or directory",
        "a folder without pictures",
        "no file has such a name",
        "text, not a picture",
    ]
    assert str(odd["file"]).endswith("caf\ufffd.png")
    assert piped["file"] == "standard input"
    assert "2 pictures named in" in done.stderr
    assert "4 failed" in done.stderr
    assert done.returncode == 1


def test_password_of_an_address_is_not_printed(peer: BreedPeer, pictures: Path) -> None:
    done = _predict(peer, "--json", "http://me:secret@127.0.0.1:9/dog.jpg", cwd=pictures)

    assert json.loads(done.stdout)["file"] == "http://***@127.0.0.1:9/dog.jpg"
    assert "secret" not in done.stdout + done.stderr


def test_server_that_starts_and_loads_slowly_is_waited_for(pictures: Path) -> None:
    with serving_breeds() as earlier:
        address = earlier.address
    process = subprocess.Popen(
        [_DOGBREED, "predict", "--server", address, "--wait", str(_PATIENCE_S), "--json", "a.png"],
        cwd=pictures, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3)  # it has asked before there is a server
    with serving_breeds(address) as peer:
        peer.loaded_after = 3
        said, complaints = process.communicate(timeout=_PATIENCE_S)

    assert process.returncode == 0, complaints
    assert json.loads(said)["file"] == "a.png"
    assert peer.loaded_after == 0
    assert peer.calls["all"] == 1


def test_wait_for_a_server_ends(peer: BreedPeer, pictures: Path) -> None:
    peer.loaded_after = 10**6
    done = _predict(peer, "--wait", "0.5", "a.png", cwd=pictures)
    peer.loaded_after = 0

    assert done.returncode == 1
    assert f"has not loaded model 'dogbreed': version {VERSION} is LOADING." in done.stderr


def test_absent_server_is_one_clear_line(pictures: Path) -> None:
    with serving_breeds() as peer:
        pass

    done = _predict(peer, ".", cwd=pictures)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: No model server is available at {peer.address}: ")
    assert "Start one with 'dogbreed serve'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a.png", "--model", "cats"), 1, "does not serve model 'cats'"),
        (
            ("a.png", "--version", "1", "--label", "x"),
            2,
            "A version and a label exclude each other",
        ),
        (("a.png", "--json", "--csv"), 2, "--json and --csv exclude each other"),
        (("a.png", "--cert", "a.png"), 2, "A client certificate and its key go together"),
        (("a.png", "--ca", "gone.pem"), 1, "gone.pem cannot be read: No such file or directory"),
        (("a.png", "--metadata", "x"), 2, "--metadata x is not NAME=VALUE"),
        (("-", "--from-list", "-"), 2, "Standard input is either a picture or a list"),
        (("--from-list", "gone"), 1, "No such file or directory: gone"),
        ((), 2, "No pictures were named"),
    ],
)
def test_wrong_options_are_one_clear_line(
    peer: BreedPeer, pictures: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = _predict(peer, *arguments, cwd=pictures)

    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_results_come_while_later_calls_are_under_way_and_interrupts_end_it(
    peer: BreedPeer, pictures: Path
) -> None:
    peer.delay_s = 0.2
    process = subprocess.Popen(
        [_DOGBREED, "predict", "--server", peer.address, "--json", "--batch-size", "1",
         *(["a.png"] * 1000)],
        cwd=pictures, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell has what it starts in the background ignore interrupts, and so would our child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=_PATIENCE_S)

    assert first["file"] == "a.png"
    assert peer.calls["all"] < 1000
    assert process.returncode == 130
    assert complaints == "Interrupted. What was printed so far stands.\n"


def test_terminal_shows_a_bar_between_whole_rows(peer: BreedPeer, pictures: Path) -> None:
    peer.delay_s = 0.2
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [_DOGBREED, "predict", "--server", peer.address, *(["a.png"] * 80)],
        cwd=pictures, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and select.select([controller], [], [], _PATIENCE_S)[0]:
        try:
            shown += os.read(controller, 1 << 16)
        except OSError:  # the terminal is closed once its last user has gone
            break
    os.close(controller)

    assert process.wait(_PATIENCE_S) == 0
    text = shown.decode()
    assert "Pictures" in text
    assert "/80" in text
    assert text.count(BREEDS[0]) == 80


def test_starts_without_tensorflow(peer: BreedPeer, pictures: Path) -> None:
    script = (
        "import sys; sys.argv = ['dogbreed', 'predict', '--server', sys.argv[1], 'a.png']\n"
        "from pipeline.cli.main import main\n"
        "try: main()\n"
        "finally: print(*{'tensorflow', 'tfx', 'numpy', 'httpx'} & sys.modules.keys())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, peer.address],
        cwd=pictures, capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.stdout.splitlines()[-1] == "", done.stderr
    assert "1 picture named" in done.stderr
