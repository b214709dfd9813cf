"""What is listed for a review, and the page on which people decide about it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.evaluator.results.answer_table import AnswerTable, ModelAnswers
from components.review.page import render_review
from components.review.pictures import read_pictures
from components.review.suspects import Reason, Suspect, list_suspects, write_suspects
from ingestion.conversion import convert
from ingestion.dataset import Dataset
from ingestion.decisions import Decision, read_decisions
from ingestion.options import ConvertOptions

pytestmark = pytest.mark.slow

_BREEDS = ("Beagle", "Pug", "Whippet")
_HOSTILE = "</script><b>&\", '.jpg"


def _jpeg(seed: int, side_px: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((side_px, side_px)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """12 pictures of each breed; a tiny one, two that contradict and two that nearly do."""
    source = tmp_path / "dogs"
    for label, breed in enumerate(_BREEDS):
        (source / breed).mkdir(parents=True)
        for number in range(12):
            (source / breed / f"{number:02}.jpg").write_bytes(_jpeg(100 * label + number))
    (source / "Pug/tiny.jpg").write_bytes(_jpeg(999, 16))
    for breed in ("Pug", "Whippet"):
        (source / breed / "twin.jpg").write_bytes(_jpeg(1000))
    with Image.open(source / "Beagle/00.jpg") as picture:
        picture.resize((48, 48)).save(source / "Whippet/smaller.jpg", quality=60)
    return convert(str(source), tmp_path / "records", ConvertOptions())


def _table(answers: dict[str, tuple[int, list[float]]]) -> AnswerTable:
    """Answers by file name: the label, and the probability of each label."""
    labels = np.array([label for label, _ in answers.values()], np.int32)
    probabilities = np.array([each for _, each in answers.values()], np.float32)
    guesses = np.argsort(-probabilities, axis=1).astype(np.int32)
    zeros = np.zeros(len(labels))
    model = ModelAnswers(
        guesses=guesses,
        guess_probabilities=np.take_along_axis(probabilities, guesses, axis=1),
        truth_probability=probabilities[np.arange(len(labels)), labels],
        right=zeros, in_top_5=zeros, cross_entropy=zeros,
    )  # fmt: skip
    return AnswerTable(tuple(answers), labels, model, None)


def test_model_and_audit_accuse_together_and_who_decided_is_not_asked_again(
    dataset: Dataset,
) -> None:
    sure = {
        f"{breed}/{number:02}.jpg": (label, [0.9 if each == label else 0.05 for each in range(3)])
        for label, breed in enumerate(_BREEDS)
        for number in range(10)
    }
    answers = {
        **sure,
        "Beagle/10.jpg": (0, [0.03, 0.02, 0.95]),
        "Beagle/11.jpg": (0, [0.01, 0.02, 0.97]),
        "Pug/tiny.jpg": (1, [0.33, 0.34, 0.33]),
        "Whippet/10.jpg": (2, [0.5, 0.02, 0.48]),  # not sure enough of another breed
        "": (0, [0.0, 0.0, 1.0]),  # nobody could say what to do with it
    }
    decided = {"Beagle/11.jpg": Decision("keep", "")}

    suspects = list_suspects(dataset, [_table(answers)], decided)

    assert [(each.file_name, [reason.kind for reason in each.reasons]) for each in suspects] == [
        ("Beagle/10.jpg", ["label error"]),
        ("Pug/twin.jpg", ["contradictory"]),
        ("Whippet/twin.jpg", ["contradictory"]),
        ("Beagle/00.jpg", ["near-copy"]),
        ("Whippet/smaller.jpg", ["near-copy"]),
        ("Pug/tiny.jpg", ["unlike any breed", "tiny"]),
    ]
    assert suspects[0].suggested == "Whippet"
    assert suspects[0].score == pytest.approx(0.96)
    assert suspects[0].guesses[0] == ("Whippet", pytest.approx(0.95))
    assert suspects[3].reason == "it looks like a picture of Whippet"
    pictures = read_pictures(dataset, [each.file_name for each in suspects])
    assert pictures.keys() == {each.file_name for each in suspects}  # the twins from the source


def test_table_holds_what_was_decided_before_and_is_read_back(tmp_path: Path) -> None:
    pending = Suspect("a, b.jpg", "Pug", [Reason("tiny", "small")], decision=Decision("drop", ""))
    earlier = {"c.jpg": Decision("relabel", "Pug")}

    write_suspects(tmp_path / "s.csv", [pending, Suspect("d.jpg", "Pug")], earlier)

    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "label", "suspected", "reason", "score", "decision"]
    assert [row["file"] for row in rows] == ["a, b.jpg", "d.jpg", "c.jpg"]
    read = {name: str(each) for name, each in read_decisions(tmp_path / "s.csv").items()}
    assert read == {"a, b.jpg": "drop", "c.jpg": "relabel:Pug"}


@pytest.fixture
def page(browser, tmp_path: Path):
    """Four suspects on a phone's screen; complaints and requests are in `page.noted`."""
    reason = [Reason("label error", "the model takes it for Beagle")]
    suspects = [
        Suspect("one.jpg", "Pug", reason, "Beagle", 0.9, (("Beagle", 0.9), ("Pug", 0.1))),
        Suspect(_HOSTILE, "Pug", reason, "Beagle", 0.8, (("Beagle", 0.8), ("Pug", 0.2))),
        Suspect("three.jpg", "Pug", [Reason("tiny", "it is small")], "", 0.2),
        Suspect("four.jpg", "Pug", [Reason("tiny", "it is small")], "", 0.2),
    ]
    suspects[3].decision = Decision("drop", "")
    pictures = {each.file_name: _jpeg(1) for each in suspects[:3]}
    earlier = {"old.jpg": Decision("relabel", "Pug"), "four.jpg": Decision("keep", "")}
    path = tmp_path / "review.html"
    path.write_text(
        render_review("<i>a run</i>", str(tmp_path), suspects, pictures, _BREEDS, earlier),
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.noted = []
    page.on("console", lambda said: page.noted.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.noted.append(str(error)))
    own = ("data:", "file:", "blob:")
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else page.noted.append(asked.url),
    )
    page.goto(path.as_uri())
    yield page
    page.close()


def _saved(page, folder: Path) -> dict[str, str]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save decisions").click()
    assert download.value.suggested_filename == "decisions.csv"
    download.value.save_as(folder / "saved.csv")
    return {name: str(each) for name, each in read_decisions(folder / "saved.csv").items()}


def test_decisions_by_mouse_and_keys_are_saved_as_the_conversion_reads_them(
    page, tmp_path: Path
) -> None:
    cards = page.locator(".suspect")
    progress = page.locator("#progress")
    assert cards.count() == 4
    assert page.locator("b, i").count() == 0  # no name ran as markup
    assert progress.inner_text() == "1 of 4 decided"

    cards.nth(0).get_by_role("button", name="Beagle").click()
    assert cards.nth(0).get_by_role("button", name="Beagle").get_attribute("aria-pressed") == "true"
    assert cards.nth(1).get_attribute("aria-current") == "true"
    page.keyboard.press("k")
    page.keyboard.press("r")  # of the third: nothing is suggested
    page.keyboard.press("d")
    page.keyboard.press("u")  # not that
    page.keyboard.press("o")
    page.keyboard.type(" whippet")
    page.keyboard.press("Enter")
    assert progress.inner_text() == "4 of 4 decided, not saved yet"
    expected = {
        "old.jpg": "relabel:Pug", "one.jpg": "relabel:Beagle", _HOSTILE: "keep",
        "three.jpg": "relabel:Whippet", "four.jpg": "drop",
    }  # fmt: skip
    assert _saved(page, tmp_path) == expected
    assert progress.inner_text() == "4 of 4 decided"

    # A breed that is not there is made one, in so many words; a reload forgets nothing.
    other = cards.nth(2).get_by_role("combobox")
    other.fill("Mutt")
    other.blur()
    assert cards.nth(2).get_by_text("a breed that is not there yet").is_visible()
    page.once("dialog", lambda dialog: dialog.accept())  # asks: not saved yet
    page.reload()
    assert _saved(page, tmp_path) == {**expected, "three.jpg": "new:Mutt"}
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.noted == []
