"""What a report says is odd about the pictures."""

from __future__ import annotations

import dataclasses
import io
import random
from pathlib import Path

import pytest
from PIL import Image

from components.report.audit import read_audit
from components.report.page.page import render
from ingestion.conversion import convert
from ingestion.options import ConvertOptions
from tests.components.report_facts import make_facts


def _jpeg(seed: int, size: int = 48) -> bytes:
    picture = Image.frombytes("RGB", (7, 7), random.Random(seed).randbytes(147)).resize((size,) * 2)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG")
    return encoded.getvalue()


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Records of pictures with a few things wrong."""
    dogs = tmp_path / "dogs"
    for start, breed in enumerate(("beagle", "pug")):
        (dogs / breed).mkdir(parents=True)
        for number in range(8):
            (dogs / breed / f"{number}.jpg").write_bytes(_jpeg(100 * start + number))
        (dogs / breed / "both.jpg").write_bytes(_jpeg(999))
    for number in range(9):
        (dogs / "pug" / f"small-{number}.jpg").write_bytes(_jpeg(500 + number, size=20))
    (dogs / "beagle" / "text.jpg").write_bytes(b"words")
    (dogs / "rare").mkdir()
    (dogs / "rare" / "only.jpg").write_bytes(_jpeg(7))
    options = ConvertOptions(max_rejected_share=0.5)
    return convert(str(dogs), tmp_path / "records", options).path


def test_report_counts_and_names_what_is_odd_about_the_pictures(records: Path) -> None:
    audit = read_audit(records)

    found = {finding.name: finding for finding in audit.findings}
    assert {name: finding.count for name, finding in found.items()} == {
        "contradictory": 2, "tiny": 9, "rejected": 1,
    }  # fmt: skip
    assert found["contradictory"].meaning == "the same bytes under several breeds; left out"
    assert sorted(file.name for file in found["contradictory"].files) == [
        "beagle/both.jpg", "pug/both.jpg",
    ]  # fmt: skip
    assert len(found["tiny"].files) == 5
    assert (found["rejected"].files[0].name, audit.left_out) == ("beagle/text.jpg", (("rare", 1),))

    facts = make_facts()
    page = render(dataclasses.replace(facts, data=dataclasses.replace(facts.data, audit=audit)))

    assert "What is odd about the pictures" in page
    for words in ("pug/both.jpg", "beagle/text.jpg", "rare (1)", str(records / "audit.csv")):
        assert words in page


def test_report_without_anything_odd_has_no_such_part() -> None:
    facts = make_facts()

    page = render(dataclasses.replace(facts, data=dataclasses.replace(facts.data, audit=None)))

    assert "What is odd about the pictures" not in page
