"""What `run`, `compare` and `convert` say about pictures that are converted."""

from __future__ import annotations

import io
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli.main import app


def _draw(folder: Path, breed: str, numbers: range) -> None:
    (folder / breed).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        content = random.Random(f"{breed}{number}").randbytes(105)
        encoded = io.BytesIO()
        Image.frombytes("RGB", (7, 5), content).resize((40, 40)).save(encoded, "PNG")
        (folder / breed / f"{number}.png").write_bytes(encoded.getvalue())


@pytest.fixture
def dogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two breeds of eight pictures, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for breed in ("beagle", "pug"):
        _draw(tmp_path / "dogs", breed, range(8))
    return tmp_path / "dogs"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["convert", "dogs", "out", "--min-eval", "7"], "try another --seed, or take --split ev"),
        (
            ["run", "--data", "dogs", "--set", "data.convert.min_eval=7"],
            "try another --set data.convert.seed=..., or take --set data.convert.split=every-5th.",
        ),
        (
            [
                "compare",
                "--data",
                "dogs",
                "--common",
                "data.convert.min_eval=7",
                "--set",
                "trainer.epochs=1",
                "--set",
                "trainer.epochs=2",
            ],
            "or take --common data.convert.split=every-5th.",
        ),
        (
            [
                "run",
                "--data",
                "dogs",
                "--per-breed",
                "1",
                "--set",
                "data.convert.small_classes=refuse",
            ],
            "with --exclude or --set data.convert.small_classes=leave-out.",
        ),
        (["run", "--data", "dogs", "--exclude", "pugg,Beagle"], "has no breed 'pugg': did you"),
        (["run", "--data", "dogs", "--exclude", "pug"], "gives one class only (beagle)"),
    ],
)
def test_advice_names_options_of_the_command_that_was_typed(
    command: list[str], said: str, dogs: Path
) -> None:
    done = CliRunner().invoke(app, command)

    assert done.exit_code == 1, done.output
    assert said in done.stderr


def test_password_of_a_source_is_not_printed(dogs: Path) -> None:
    address = "https://me:secret@example.org/dogs.tar"
    for command in (["run", "--data", address], ["convert", address, "out"]):
        done = CliRunner().invoke(app, command)

        assert done.exit_code == 2
        assert "https://***@example.org/dogs.tar is an address: download it" in done.stderr
        assert "secret" not in done.output


def test_records_cannot_be_selected_from_any_more(dogs: Path) -> None:
    converted = CliRunner().invoke(app, ["convert", "dogs", "out"])

    done = CliRunner().invoke(app, ["run", "--data", "out", "--per-breed", "3"])

    assert converted.exit_code == 0, converted.output
    assert done.exit_code == 2
    assert "give --per-breed to 'dogbreed convert'" in done.stderr


def test_pictures_that_came_and_went_are_counted_by_breed(dogs: Path) -> None:
    def convert() -> str:
        return CliRunner().invoke(app, ["convert", "dogs", "out", "--overwrite"]).stdout

    assert "added" not in convert()
    assert "added" not in convert()
    _draw(dogs, "beagle", range(8, 10))
    _draw(dogs, "whippet", range(5))
    shutil.rmtree(dogs / "pug")
    said = convert()
    assert "7 pictures added: beagle 2, whippet 5 (new)\n" in said.replace("; ", "\n")
    assert "8 pictures removed: pug 8" in said
