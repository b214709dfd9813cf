"""What users get wrong: each ends in one sentence, and in nothing left behind."""

from __future__ import annotations

import csv
import os
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foundation.errors import DatasetError, UsageError
from ingestion.conversion import convert
from ingestion.dataset import load_dataset
from ingestion.options import ConvertOptions


def _assert_refused(source: Path | str, out: Path, message: str, **options: Any) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        convert(str(source), out, ConvertOptions(**options))
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))


def _tar_of(source: Path, path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(source, "Images")
    return path


def test_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist: give a folder"):
        convert(str(tmp_path / "nowhere"), tmp_path / "out", ConvertOptions())
    assert not list(tmp_path.iterdir())


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _assert_refused(tmp_path / "empty", tmp_path / "out", "is empty")


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/readme.txt").write_text("hello")
    _assert_refused(tmp_path / "texts", tmp_path / "out", "holds no pictures")


def test_one_class_is_refused(make_folders: Any, tmp_path: Path) -> None:
    _assert_refused(make_folders(pug=5), tmp_path / "out", "holds one class only.*folder pug")


def test_one_breed_chosen_is_refused(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(pug=5, beagle=5)
    _assert_refused(source, tmp_path / "out", r"one class only \(pug\)", breeds=("pug",))


def test_class_with_one_picture_is_refused(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(pug=1, beagle=5)
    _assert_refused(source, tmp_path / "out", r"needs 2 pictures.*of pug \(1\)")


def test_set_that_is_split_already_is_refused(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(**{"train/pug": 3, "train/beagle": 3, "test/pug": 3, "test/beagle": 3})
    _assert_refused(source, tmp_path / "out", "split already, into test, train")


def test_text_as_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dogs.tar").write_text("this is no archive\n" * 100)
    _assert_refused(tmp_path / "dogs.tar", tmp_path / "out", "neither a folder nor an archive")


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tar.xz", "w:xz")])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.97])
def test_truncated_archive_is_refused(
    ending: str, mode: str, kept: float, make_folders: Any, tmp_path: Path
) -> None:
    archive = _tar_of(make_folders(pug=9, beagle=9), tmp_path / f"dogs.{ending}", mode)
    if ending == "tar":  # to the end of a picture, where tarfile notices nothing by itself
        with tarfile.open(archive) as whole:
            members = [m for m in whole if m.isfile()]
            last = members[int(len(members) * kept)]
        size = last.offset_data + -(-last.size // 512) * 512
    else:
        size = int(archive.stat().st_size * kept)
    os.truncate(archive, size)
    _assert_refused(archive, tmp_path / "out", "is damaged or was not downloaded to its end")


def test_destination_inside_source_and_around_it_is_refused(
    make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(name="all/dogs", pug=3, beagle=3)
    _assert_refused(source, source / "out", "lies inside the source")
    with pytest.raises(DatasetError, match="lies inside the destination"):
        convert(str(source), tmp_path / "all", ConvertOptions(overwrite=True))
    assert (source / "pug/000.jpg").exists()


def test_destination_that_exists_is_kept_unless_it_is_to_be_replaced(
    make_folders: Any, tmp_path: Path
) -> None:
    source, out = make_folders(pug=3, beagle=3), tmp_path / "out"
    options = ConvertOptions(split="every-5th")
    out.mkdir()
    first = convert(str(source), out, options)  # an empty folder is no obstacle

    with pytest.raises(DatasetError, match=r"exists and is not empty.*--overwrite"):
        convert(str(source), out, options)
    assert load_dataset(out) == first
    second = convert(str(source), out, ConvertOptions(split="every-5th", seed=5, overwrite=True))
    assert load_dataset(out).fingerprint == second.fingerprint != first.fingerprint
    (out / "dataset.json").unlink()
    with pytest.raises(DatasetError, match="something else than a converted set"):
        convert(str(source), out, ConvertOptions(overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "out"]


def test_options_out_of_range_are_named_together() -> None:
    with pytest.raises(UsageError, match=r"--layout: .*'folders'.*--eval-share: .*received 2"):
        ConvertOptions.checked(layout="flat", eval_share=2)


def _png_header(side_px: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">2I5B", side_px, side_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def test_bad_pictures_are_listed_with_a_reason_and_the_rest_goes_on(
    make_folders: Any, make_picture: Any, tmp_path: Path
) -> None:
    source = make_folders(pug=20, beagle=20)
    bad = {
        "empty.jpg": b"",
        "half.jpg": make_picture(1, (64, 48))[:-400],
        "huge.png": _png_header(30_000),
        "page.jpg": b"<!DOCTYPE html><html>not found</html>",
        "text.jpg": b"just some words",
        "noise": bytes(range(256)),
    }
    for name, content in bad.items():
        (source / "pug" / name).write_bytes(content)
    (source / "pug/gone.jpg").symlink_to("nothing")  # no file at all: not a picture of the set

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(max_rejected_share=0.2))

    with (tmp_path / "out/rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "reason"]
    reasons = {name.removeprefix("pug/"): reason for name, reason in rows[1:]}
    assert reasons.keys() == bad.keys()
    assert dataset.num_rejected == len(bad)
    assert reasons["empty.jpg"] == "the file is empty"
    assert reasons["half.jpg"].startswith("damaged or cut short (image file is truncated")
    assert reasons["huge.png"] == "more than 179 megapixels, too large to decode safely"
    assert reasons["page.jpg"] == "a web page, not a picture"
    assert reasons["text.jpg"] == "text, not a picture"
    assert reasons["noise"] == "not a picture in a format that can be read"
    assert sum(split.num_examples for split in dataset.splits.values()) == 40


def test_too_many_bad_pictures_stop_it(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(pug=20, beagle=20)
    for index in range(3):
        (source / f"pug/{index:03}.jpg").write_bytes(b"words")
    message = r"3 of 40 pictures \(7.5%\).* 5.0% that --max-rejected allows: pug/000.jpg: text, not"
    _assert_refused(source, tmp_path / "out", message)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_said_and_emptied(
    make_folders: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_folders(pug=40, beagle=40, size=(300, 200))
    for picture in source.rglob("*.jpg"):  # noise does not compress: 80 pictures of 60 kB
        Image.effect_noise((300, 200), 99).convert("RGB").save(picture, quality=95)
    _assert_refused(source, small_disk / "out", r"The disk of .* is full")
    assert not list(small_disk.iterdir())


def test_read_only_destination_is_found_before_the_work(
    make_folders: Any, small_disk: Path
) -> None:
    source = make_folders(pug=3, beagle=3)
    (source / "pug/000.jpg").write_bytes(b"would be the first complaint if work had begun")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    _assert_refused(source, small_disk / "out", "cannot be written: Read-only file system")
