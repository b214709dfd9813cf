"""What is odd about a source is found, named and kept from spoiling the evaluation."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from foundation.errors import DatasetError
from ingestion.audit import look_of
from ingestion.conversion import convert
from ingestion.dataset import Dataset
from ingestion.options import ConvertOptions


def _audit(out: Path) -> list[dict[str, str]]:
    with (out / "audit.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _files(dataset: Dataset, read_split: Any, split: str) -> set[bytes]:
    return {example["image/filename"] for example in read_split(dataset, split)}


@pytest.mark.parametrize("contradictory", ["reject", "keep"])
def test_equal_pictures_under_several_breeds_are_left_out_unless_kept(
    contradictory: Any, make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(beagle=20, pug=20, whippet=20, size=(64, 48))
    for breed in ("beagle", "pug", "whippet"):
        shutil.copy(source / "pug/007.jpg", source / breed / "placeholder.jpg")

    options = ConvertOptions(contradictory=contradictory)
    dataset = convert(str(source), tmp_path / "out", options)

    odd = {b"pug/007.jpg", *(b"%s/placeholder.jpg" % name for name in (b"beagle", b"pug"))}
    found = _files(dataset, read_split, "train") | _files(dataset, read_split, "eval")
    assert (odd <= found) == (contradictory == "keep")
    assert len(found) == (63 if contradictory == "keep" else 59)
    rows = _audit(tmp_path / "out")
    assert {row["file"] for row in rows} >= {name.decode() for name in odd}
    assert dataset.findings == {"contradictory": 4}
    assert rows[0]["finding"] == "contradictory"
    assert "under 3 breeds: beagle, pug, whippet" in rows[0]["detail"]
    assert (rows[0]["split"] == "") == (contradictory == "reject")


@pytest.mark.parametrize("split", ["content-hash", "every-5th"])
def test_near_copies_stay_on_one_side_of_the_split(
    split: Any, make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(beagle=30, pug=30, size=(64, 48))
    for index in range(0, 30, 2):
        with Image.open(source / f"pug/{index:03}.jpg") as picture:
            smaller = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
        ImageEnhance.Brightness(smaller).enhance(1.1).save(
            source / f"pug/{index:03}-again.jpg", quality=60
        )

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(split=split, min_eval=0))

    assert dataset.findings["near-copy"] >= 30
    evaluation = _files(dataset, read_split, "eval")
    for index in range(0, 30, 2):
        first, again = (b"pug/%03d%s.jpg" % (index, end) for end in (b"", b"-again"))
        assert (first in evaluation) == (again in evaluation)
    groups = [row["detail"] for row in _audit(tmp_path / "out") if row["finding"] == "near-copy"]
    assert all(groups.count(group) >= 2 for group in groups)


def test_tiny_dark_and_blank_pictures_are_named_and_kept(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=20, pug=20, size=(64, 48))
    Image.new("RGB", (1, 1), "red").save(source / "pug/one.png")
    Image.new("RGB", (80, 60), "grey").save(source / "pug/grey.png")
    gradient = Image.linear_gradient("L").resize((90, 70)).point(lambda value: value // 16)
    gradient.save(source / "pug/night.png")

    dataset = convert(str(source), tmp_path / "out", ConvertOptions())

    found = {(Path(row["file"]).name, row["finding"]) for row in _audit(tmp_path / "out")}
    assert found >= {("one.png", "tiny"), ("grey.png", "blank"), ("night.png", "dark")}
    assert sum(split.num_examples for split in dataset.splits.values()) == 43


def test_look_survives_compression_and_scaling_but_not_another_picture(make_picture: Any) -> None:
    pictures = [Image.open(io.BytesIO(make_picture(seed, (64, 48)))) for seed in (1, 2)]
    encoded = io.BytesIO()
    pictures[0].resize((50, 40)).save(encoded, "JPEG", quality=50)
    looks = [look_of(picture, 40) for picture in (*pictures, Image.open(encoded))]

    def bits(one: int, other: int) -> int:
        left, right = (int.from_bytes(looks[i].difference_hash, "big") for i in (one, other))
        return (left ^ right).bit_count()

    assert bits(0, 2) <= 24
    assert bits(0, 1) > 40


def test_classes_too_small_to_be_split_are_left_out_and_named(
    make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(beagle=20, pug=20, whippet=1)

    dataset = convert(str(source), tmp_path / "out", ConvertOptions())

    assert dataset.labels == ("beagle", "pug")
    assert dataset.left_out == {"whippet": 1}
    with pytest.raises(DatasetError, match=r"fewer are there of whippet \(1\)"):
        convert(str(source), tmp_path / "other", ConvertOptions(small_classes="refuse"))


@pytest.mark.parametrize("folds", [None, 3])
def test_every_class_has_a_picture_on_each_side_however_small_it_is(
    folds: int | None, make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(**{f"breed {index:02}": 3 for index in range(20)})

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(folds=folds))

    for split in dataset.splits.values():
        assert min(split.examples_per_class.values()) >= 1
    assert sum(split.num_examples for split in dataset.splits.values()) == 60
