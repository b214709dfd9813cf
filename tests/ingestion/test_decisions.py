"""What people decide about single pictures is what the next conversion makes of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.dataset import AppliedDecisions, Dataset, load_dataset
from ingestion.options import ConvertOptions
from ingestion.sources.fingerprint import source_fingerprint


def _write(path: Path, *rows: str, header: str = "file,breed,decision") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _breeds(dataset: Dataset, read_split: Any) -> dict[str, str]:
    """Breeds by file name, over all splits."""
    return {
        record["image/filename"].decode(): record["image/class/text"].decode()
        for split in dataset.splits
        for record in read_split(dataset, split)
    }


@pytest.mark.parametrize("split", ["content-hash", "every-5th"])
def test_decisions_are_applied_counted_and_kept_beside_the_records(
    split: Any, make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(**{"n02085620-Shiba_inu": 12, "pug": 12, "beagle": 12})
    for number in range(3):  # so many that a breed of their own can be split
        (source / f"pug/mutt-{number}.jpg").write_bytes(
            (source / f"beagle/{number:03}.jpg").read_bytes()
        )
        (source / f"beagle/{number:03}.jpg").unlink()
    decisions = _write(
        tmp_path / "decisions.csv",
        "pug/000.jpg,pug,relabel:SHIBA INU",
        "pug/001.jpg,pug, Relabel: n02085620-Shiba_inu ",
        "pug/002.jpg,pug,drop",
        "pug/003.jpg,pug,keep",
        "pug/004.jpg,pug,",
        "pug/mutt-0.jpg,pug,relabel:mutt",
        "pug/mutt-1.jpg,pug,new:Mutt",
        "pug/mutt-2.jpg,pug,new:mutt",
        "pug/999.jpg,pug,drop",
    )
    options = ConvertOptions(split=split, decisions=decisions)

    dataset = convert(str(source), tmp_path / "out", options)

    breeds = _breeds(dataset, read_split)
    assert [breeds.get(f"pug/00{number}.jpg") for number in range(5)] == [
        "Shiba inu", "Shiba inu", None, "pug", "pug"
    ]  # fmt: skip
    assert {breeds[f"pug/mutt-{number}.jpg"] for number in range(3)} == {"Mutt"}
    assert dataset.labels == ("Mutt", "Shiba inu", "beagle", "pug")
    assert len(breeds) == 35
    assert load_dataset(tmp_path / "out").decisions == AppliedDecisions(
        relabelled=5, dropped=1, kept=1, unmatched=("pug/999.jpg",)
    )
    with (tmp_path / "out/decisions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 8  # nothing was decided about one


def test_other_decisions_are_another_set_and_the_same_ones_elsewhere_are_not(
    make_folders: Any, tmp_path: Path
) -> None:
    source = str(make_folders(pug=3, beagle=3))

    def fingerprint(*rows: str, name: str = "decisions.csv") -> str:
        path = _write(tmp_path / name, *rows)
        return source_fingerprint(source, ConvertOptions(decisions=path))

    drop = "pug/000.jpg,pug,drop"
    assert fingerprint(drop) != source_fingerprint(source, ConvertOptions())
    assert fingerprint(drop) != fingerprint("pug/001.jpg,pug,drop")
    assert fingerprint(drop) != fingerprint("pug/000.jpg,pug,keep")
    assert fingerprint(drop) == fingerprint("pug/001.jpg,pug,", drop, name="other.csv")


def test_contradiction_that_was_decided_is_none(
    make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(pug=10, beagle=10)
    (source / "beagle/twin.jpg").write_bytes((source / "pug/000.jpg").read_bytes())
    decisions = _write(tmp_path / "decisions.csv", "beagle/twin.jpg,beagle,drop")

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(decisions=decisions))

    assert "contradictory" not in dataset.findings
    assert _breeds(dataset, read_split)["pug/000.jpg"] == "pug"


def test_table_beside_the_pictures_is_not_taken_for_their_labels(
    make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(pug=5, beagle=5)
    decisions = _write(source / "suspects.csv", "pug/000.jpg,pug,keep")

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(decisions=decisions))

    assert dataset.layout == "folders"
    assert dataset.decisions == AppliedDecisions(relabelled=0, dropped=0, kept=1, unmatched=())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["a,pug,drop", "pug/000.jpg,pug,relabel:beagel"],
            r"line 3: .*'beagel' \(did you mean bea",
        ),
        (["pug/000.jpg,pug,remove"], r"line 2: 'remove' is no decision; write keep, drop, relabel"),
        (["pug/000.jpg,pug,relabel"], r"line 2: 'relabel' is no decision"),
        (["pug/000.jpg,pug,drop:pug"], r"line 2: 'drop:pug' is no decision"),
        (["x,pug,drop", "y,pug,keep", "x,pug,"], r"line 4: 'x' stands in line 2 already"),
        (["pug/000.jpg"], r"line 2: 1 columns, the first line has 3"),
    ],
)
def test_bad_table_is_refused_with_the_line(
    rows: list[str], message: str, make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(pug=3, beagle=3)
    options = ConvertOptions(decisions=_write(tmp_path / "decisions.csv", *rows))

    with pytest.raises(DatasetError, match=rf"decisions\.csv, {message}"):
        convert(str(source), tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,label\nx,pug\n", "line 1: there is no column 'decision' among file, label"),
        (b"", "line 1: there is no column 'file'"),
        (b"file,decision\n\xff\xfe,drop\n", "no text in UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_table_of_decisions_is_refused(
    content: bytes | None, message: str, make_folders: Any, tmp_path: Path
) -> None:
    path = tmp_path / "decisions.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DatasetError, match=message):
        source_fingerprint(str(make_folders(pug=3, beagle=3)), ConvertOptions(decisions=path))


def test_table_from_a_spreadsheet_with_semicolons_is_read(
    make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes("\ufefffile;decision\r\npug/000.jpg;drop\r\n".encode())

    dataset = convert(
        str(make_folders(pug=5, beagle=5)), tmp_path / "out", ConvertOptions(decisions=path)
    )

    assert "pug/000.jpg" not in _breeds(dataset, read_split)
