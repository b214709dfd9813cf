"""Links in folders and archives of pictures."""

from __future__ import annotations

import csv
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.options import ConvertOptions


def _rejected(out: Path) -> dict[str, str]:
    with (out / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_in_a_tar_are_counted_and_named(mode: str, make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=6, pug=6)
    (source / "pug" / "soft.jpg").symlink_to("000.jpg")
    (source / "pug" / "very hard.jpg").hardlink_to(source / "pug" / "001.jpg")
    (source / "hound").symlink_to("beagle")
    with tarfile.open(tmp_path / "dogs.tar", mode) as archive:  # type: ignore[call-overload]
        archive.add(source, "dogs")

    dataset = convert(
        str(tmp_path / "dogs.tar"), tmp_path / "out", ConvertOptions(max_rejected_share=0.5)
    )

    rejected = _rejected(tmp_path / "out")
    assert dataset.num_rejected == len(rejected) == 3
    assert rejected["pug/soft.jpg"] == (
        "a link in the archive, to 000.jpg, which is not followed: add the file itself"
    )
    assert "a hard link in the archive, to dogs/pug/001.jpg," in rejected["pug/very hard.jpg"]
    assert "to beagle" in rejected["dogs/hound"]
    assert sum(split.num_examples for split in dataset.splits.values()) == 12


def test_link_in_a_zip_is_counted_and_named(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=20, pug=20)
    with zipfile.ZipFile(tmp_path / "dogs.zip", "w") as archive:
        for file in sorted(source.glob("*/*")):
            archive.write(file, file.relative_to(source))
        link = zipfile.ZipInfo("pug/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "000.jpg")

    convert(str(tmp_path / "dogs.zip"), tmp_path / "out", ConvertOptions())

    assert "a link in the archive, to 000.jpg" in _rejected(tmp_path / "out")["pug/link.jpg"]


def test_archive_of_links_alone_says_so(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=3, pug=3)
    farm = tmp_path / "farm"
    for file in source.glob("*/*"):
        (farm / file.parent.name).mkdir(parents=True, exist_ok=True)
        (farm / file.parent.name / file.name).symlink_to(file)
    with tarfile.open(tmp_path / "farm.tar", "w") as archive:
        archive.add(farm, "dogs")

    with pytest.raises(DatasetError, match=r"holds nothing but 6 links, .*--dereference"):
        convert(str(tmp_path / "farm.tar"), tmp_path / "out", ConvertOptions())
    followed = convert(str(farm), tmp_path / "out", ConvertOptions())
    assert len(followed.labels) == 2


def test_loop_of_links_in_a_folder_is_found_at_once_and_named(
    make_folders: Any, tmp_path: Path
) -> None:
    breeds = [f"breed_{number}" for number in range(12)]
    source = make_folders(**dict.fromkeys(breeds, 2))
    for breed in breeds:  # 12! paths before any repeats
        for other in breeds:
            (source / breed / f"link-to-{other}").symlink_to(f"../{other}")

    with pytest.raises(DatasetError, match=r"dogs/breed_0/\S+ is a link to \S+breed_0, in which"):
        convert(str(source), tmp_path / "out", ConvertOptions())


def test_link_to_itself_is_named(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=3, pug=3)
    (source / "pug" / "loop.jpg").symlink_to("loop.jpg")

    with pytest.raises(DatasetError, match=r"pug/loop.jpg cannot be read: Too many levels of sym"):
        convert(str(source), tmp_path / "out", ConvertOptions())
