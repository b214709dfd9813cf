"""Every layout, end to end: from files as their publishers ship them to records."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.options import ConvertOptions

EVERY_2ND = ConvertOptions(split="every-5th", eval_share=0.5)


def _write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def _tar(files: dict[str, bytes], path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _zip(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _idx(labels: list[int], height: int = 5, width: int = 3) -> tuple[bytes, bytes]:
    pixels = b"".join(bytes([label * 20 + 5]) * (height * width) for label in labels)
    images = struct.pack(">4I", 0x803, len(labels), height, width) + pixels
    return images, struct.pack(">2I", 0x801, len(labels)) + bytes(labels)


@pytest.fixture
def stanford(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    """Class folders beside annotations that are no pictures, and the clutter of an unzip."""
    files = {
        "Annotation/n02085620-Chihuahua/n02085620_0": b"<annotation/>",
        "__MACOSX/Images/n02085620-Chihuahua/._n02085620_0.jpg": b"clutter",
        "Images/n02085620-Chihuahua/Thumbs.db": b"clutter",
        "Images/n02085620-Chihuahua/.DS_Store": b"clutter",
        "README.txt": b"about this set",
    }
    for index in range(4):
        files[f"Images/n02085620-Chihuahua/n02085620_{index}.jpg"] = make_picture(index)
        files[f"Images/n02110185-Siberian_husky/n02110185_{index}.jpg"] = make_picture(10 + index)
    return files


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "zip"])
def test_class_folders_from_every_store_give_the_same_records(
    kind: str, stanford: dict[str, bytes], tmp_path: Path, read_split: Any
) -> None:
    source = {
        "folder": lambda: _write(tmp_path / "set", stanford),
        "tar": lambda: _tar(stanford, tmp_path / "set.tar", "w"),
        "tar.gz": lambda: _tar(stanford, tmp_path / "set.tar.gz", "w:gz"),
        "zip": lambda: _zip(stanford, tmp_path / "set.zip"),
    }[kind]()

    dataset = convert(str(source), tmp_path / "out", EVERY_2ND)

    assert dataset.layout == "folders"
    assert dataset.labels == ("Chihuahua", "Siberian husky")
    assert dataset.num_rejected == 0
    records = read_split(dataset, "train") + read_split(dataset, "eval")
    assert len(records) == 8
    for record in records:
        path = f"Images/{record['image/filename'].decode()}"
        assert record["image/encoded"] == stanford[path]  # nothing to change: kept byte for byte
        assert record["image/format"] == b"jpeg"
        assert (record["image/height"], record["image/width"]) == (12, 20)
        assert dataset.labels[record["image/class/label"]].encode() == record["image/class/text"]
        assert ("husky" in path) == (record["image/class/label"] == 1)


def test_name_prefixes_give_the_class(
    make_picture: Callable[..., bytes], tmp_path: Path, read_split: Any
) -> None:
    files = {f"images/{breed}_{index}.jpg": make_picture(index + len(breed) * 9)
             for breed in ("shiba_inu", "Maine_Coon") for index in range(1, 4)}  # fmt: skip
    files |= {f"annotations/trimaps/{Path(path).stem}.png": b"mask" for path in files}
    files |= {"images/Maine_Coon_3.mat": b"not a picture", "annotations/list.txt": b"list"}

    dataset = convert(str(_write(tmp_path / "pets", files)), tmp_path / "out", EVERY_2ND)

    assert (dataset.layout, dataset.labels) == ("prefix", ("Maine Coon", "shiba inu"))
    names = {record["image/filename"] for record in read_split(dataset, "train")}
    assert names == {b"shiba_inu_2.jpg", b"Maine_Coon_2.jpg"}


def test_csv_table_gives_the_class_and_missing_rows_are_rejected(
    make_picture: Callable[..., bytes], tmp_path: Path
) -> None:
    files = {f"train/{index}.png": make_picture(index, (9, 7), "PNG") for index in range(1, 8)}
    files |= {"test/1.png": make_picture(50, (9, 7), "PNG")}
    rows = [f"{index},{'cat' if index < 4 else 'dog'}" for index in [1, 2, 3, 4, 5, 6, 9]]
    files["trainLabels.csv"] = "\n".join(["id,label", *rows]).encode()
    files["sampleSubmission.csv"] = b"id,label\n1,cat\n"
    source = _write(tmp_path / "cifar", files)

    dataset = convert(
        str(source), tmp_path / "out", EVERY_2ND.model_copy(update={"max_rejected_share": 0.5})
    )

    assert (dataset.layout, dataset.labels) == ("csv", ("cat", "dog"))
    assert dataset.splits["eval"].examples_per_class == {"cat": 2, "dog": 2}
    assert dataset.splits["train"].examples_per_class == {"cat": 1, "dog": 1}
    assert (tmp_path / "out/rejected.csv").read_text().splitlines() == [
        "file,reason",
        '7.png,has no row in trainLabels.csv',
        '9,"trainLabels.csv lists it, but there is no such picture"',
    ]  # fmt: skip


def test_idx_files_plain_and_gzipped_give_upright_pixels(tmp_path: Path, read_split: Any) -> None:
    images, labels = _idx([0, 11, 11, 0])
    more_images, more_labels = _idx([11, 0, 0])
    source = _write(
        tmp_path / "mnist",
        {
            "train-images-idx3-ubyte.gz": gzip.compress(images),
            "train-labels-idx1-ubyte.gz": gzip.compress(labels),
            "t10k-images-idx3-ubyte": more_images,
            "t10k-labels-idx1-ubyte": more_labels,
        },
    )

    # All images of a class are the same, so they stay on one side of the split.
    options = EVERY_2ND.model_copy(update={"min_train": 0, "min_eval": 0})
    dataset = convert(str(source), tmp_path / "out", options)

    assert (dataset.layout, dataset.labels) == ("idx", ("00", "11"))  # sorting keeps their order
    records = read_split(dataset, "train") + read_split(dataset, "eval")
    assert len(records) == 7
    assert {(r["image/height"], r["image/width"]) for r in records} == {(5, 3)}
    assert {r["image/filename"] for r in records} >= {b"t10k-00000", b"train-00003"}


def test_numbers_in_class_order_give_the_class(
    make_picture: Callable[..., bytes], tmp_path: Path, read_split: Any
) -> None:
    files = {f"jpg/image_{index:04}.jpg": make_picture(index) for index in range(1, 13)}
    files["jpg/files.txt"] = b"list"

    dataset = convert(
        str(_write(tmp_path / "flowers", files)),
        tmp_path / "out",
        ConvertOptions(split="every-5th", eval_share=0.5, pictures_per_class=4),
    )

    assert (dataset.layout, dataset.labels) == ("numbered", ("class-1", "class-2", "class-3"))
    by_class = {
        r["image/filename"]: r["image/class/text"]
        for split in ("train", "eval")
        for r in read_split(dataset, split)
    }
    assert by_class[b"image_0004.jpg"] == b"class-1"
    assert by_class[b"image_0005.jpg"] == b"class-2"
    assert len(by_class) == 12


def test_tfds_set_is_read_undecoded_and_without_the_extra_names_it(
    make_picture: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DatasetError, match=r"pip install dogbreed\[tfds\]"):
        convert("tfds:stanford_dogs", tmp_path / "out", EVERY_2ND)

    class Image:
        pass

    class ClassLabel:
        names = ("n02085620-chihuahua", "n02110185-siberian_husky")

    rows = [{"image": make_picture(i), "label": i % 2, "image/filename": b"%d.jpg" % i}
            for i in range(8)]  # fmt: skip
    builder = types.SimpleNamespace(
        download_and_prepare=lambda: None,
        info=types.SimpleNamespace(
            features={"image": Image(), "label": ClassLabel(), "image/filename": None},
            splits={"train": None},
        ),
        as_dataset=lambda **kwargs: rows,
    )
    fake = types.SimpleNamespace(
        builder=lambda name: builder,
        as_numpy=iter,
        features=types.SimpleNamespace(Image=Image, ClassLabel=ClassLabel),
        decode=types.SimpleNamespace(SkipDecoding=object),
        ReadConfig=lambda **kwargs: None,
    )
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)

    dataset = convert("tfds:stanford_dogs", tmp_path / "out", EVERY_2ND)

    assert dataset.layout == "tfds"
    assert dataset.splits["train"].examples_per_class == {"chihuahua": 2, "siberian husky": 2}


def test_odd_names_survive(make_picture: Callable[..., bytes], tmp_path: Path) -> None:
    source = os.fsencode(tmp_path / "odd")
    names = (b"good boy.jpg", "süß.jpg".encode(), b"latin-\xe9.jpg", b"quote\".jpg")  # fmt: skip
    for class_name in ("Löwchen".encode(), b"no ending"):
        os.makedirs(os.path.join(source, class_name))
        for index, name in enumerate(names):
            with open(os.path.join(source, class_name, name), "wb") as file:
                file.write(make_picture(index + 10 * len(class_name)))
        with open(os.path.join(source, class_name, b"bad \xe9.jpg"), "wb") as file:
            file.write(b"just text")

    dataset = convert(
        os.fsdecode(source), tmp_path / "out", EVERY_2ND.model_copy(
            update={"max_rejected_share": 0.3})
    )  # fmt: skip

    assert dataset.labels == ("Löwchen", "no ending")
    assert sum(split.num_examples for split in dataset.splits.values()) == 8
    rejected = (tmp_path / "out/rejected.csv").read_text(encoding="utf-8")
    assert "no ending/bad \\xe9.jpg,\"text, not a picture\"" in rejected  # fmt: skip


def test_same_readable_name_twice_keeps_the_folder_names(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(**{"n01-husky": 2, "n02000001-husky": 2, "n02000002-husky": 2, "pug": 2})

    dataset = convert(str(source), tmp_path / "out", EVERY_2ND)

    assert dataset.labels == ("n01-husky", "n02000001-husky", "n02000002-husky", "pug")


def test_breeds_and_per_breed_narrow_the_set(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(**{"n02085620-Chihuahua": 9, "n02110185-Siberian_husky": 9, "pug": 9})
    options = ConvertOptions(
        breeds=("chihuahua", "N02110185-siberian_HUSKY"), per_breed=4, split="every-5th"
    )

    dataset = convert(str(source), tmp_path / "out", options)

    assert dataset.labels == ("Chihuahua", "Siberian husky")
    assert dataset.splits["train"].examples_per_class == {"Chihuahua": 3, "Siberian husky": 3}
    with pytest.raises(DatasetError, match="no breed 'Chiwawa': did you mean Chihuahua"):
        convert(str(source), tmp_path / "other", ConvertOptions(breeds=("Chiwawa", "pug")))
