"""The built-in sample has the right layout, is reproducible, and appears whole or not at all."""

from __future__ import annotations

import io
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foundation.errors import DatasetError
from ingestion.toy_dogs.sample import ARCHIVE_NAME, BREEDS, write_sample

PER_BREED = 3
SIZE_PX = 48
MEMBER_NAME = re.compile(r"Images/(n9\d{7})-(Toy_[A-Z][a-z]+)/(n9\d{7})_(\d+)\.jpg")


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "absent" / "too"
    return write_sample(folder, per_breed=PER_BREED, size_px=SIZE_PX)


def test_write_sample_returns_archive_alone_in_created_directory(archive: Path) -> None:
    assert archive.name == "toy-dogs.tar"
    assert list(archive.parent.iterdir()) == [archive]


def test_write_sample_members_follow_stanford_dogs_layout(archive: Path) -> None:
    matches = [MEMBER_NAME.fullmatch(name) for name in _members(archive)]
    assert all(match and match[1] == match[3] for match in matches)
    found = [(match[2], int(match[4])) for match in matches if match]
    expected = [(breed.name, number) for breed in BREEDS for number in range(1, PER_BREED + 1)]
    assert found == expected


def test_write_sample_gives_each_breed_its_own_id(archive: Path) -> None:
    folders = Counter(name.split("/")[1] for name in _members(archive))
    assert set(folders.values()) == {PER_BREED}
    assert len({folder.split("-")[0] for folder in folders}) == len(BREEDS) == 6


def test_write_sample_pictures_are_rgb_jpegs_of_the_size(archive: Path) -> None:
    pictures = [Image.open(io.BytesIO(content)) for content in _members(archive).values()]
    kinds = {(picture.format, picture.mode, picture.size) for picture in pictures}
    assert kinds == {("JPEG", "RGB", (SIZE_PX, SIZE_PX))}
    assert all(np.asarray(picture).std() > 10 for picture in pictures)  # decodes, and is not blank


def test_write_sample_pictures_all_differ(archive: Path) -> None:
    assert len(set(_members(archive).values())) == len(BREEDS) * PER_BREED


def test_write_sample_same_seed_gives_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = write_sample(tmp_path, per_breed=PER_BREED, size_px=SIZE_PX)
    assert again.read_bytes() == archive.read_bytes()


def test_write_sample_records_neither_time_nor_owner(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        stamps = {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar}
    assert stamps == {(0, 0, 0, "", "")}


def test_write_sample_other_seed_changes_every_picture(archive: Path, tmp_path: Path) -> None:
    other = _members(write_sample(tmp_path, seed=1, per_breed=PER_BREED, size_px=SIZE_PX))
    first = _members(archive)
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


def test_write_sample_fewer_per_breed_gives_same_pictures(archive: Path, tmp_path: Path) -> None:
    fewer = _members(write_sample(tmp_path, per_breed=1, size_px=SIZE_PX))
    assert len(fewer) == len(BREEDS)
    assert fewer.items() <= _members(archive).items()


def test_write_sample_reports_progress_after_each_picture(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_sample(
        tmp_path, per_breed=1, size_px=16, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_write_sample_below_a_file_raises_dataset_error(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(DatasetError, match=rf"Cannot write the sample to .*{ARCHIVE_NAME}"):
        write_sample(blocker / "folder", per_breed=1, size_px=16)
    assert list(tmp_path.iterdir()) == [blocker]


def test_write_sample_name_taken_by_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / ARCHIVE_NAME
    taken.mkdir()
    with pytest.raises(DatasetError, match="Is a directory"):
        write_sample(tmp_path, per_breed=1, size_px=16)
    assert list(tmp_path.iterdir()) == [taken]


def test_write_sample_interrupted_keeps_the_earlier_archive(tmp_path: Path) -> None:
    earlier = tmp_path / ARCHIVE_NAME
    earlier.write_bytes(b"an earlier archive")

    def interrupt(written: int, to_write: int) -> None:
        if written == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, per_breed=1, size_px=16, progress=interrupt)
    assert list(tmp_path.iterdir()) == [earlier]
    assert earlier.read_bytes() == b"an earlier archive"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed must be at least 0. Received: seed=-1"),
        ({"per_breed": 0}, "per_breed must be at least 1. Received: per_breed=0"),
        ({"size_px": 15}, "size_px must be at least 16. Received: size_px=15"),
    ],
)
def test_write_sample_too_small_argument_raises_value_error(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        write_sample(tmp_path / "sample", **wrong)
    assert not (tmp_path / "sample").exists()
